using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Fetching;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>check-archived-wal-range</c>: which WAL files between two are missing.</summary>
sealed class CheckArchivedRangeCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _begin = new("BEGIN_WAL") { Description = "the first WAL file" };
    readonly Argument<string> _end = new("END_WAL") { Description = "the last WAL file" };

    public CheckArchivedRangeCommand()
        : base("check-archived-wal-range", "Name the WAL files that are missing between two.")
    {
        Add(_server);
        Add(_begin);
        Add(_end);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var (begin, end) = (SegmentName.Parse(parse.GetValue(_begin)!), SegmentName.Parse(parse.GetValue(_end)!));
        var lineage = await session.OpenLineageAsync(server, cancellationToken);
        var missing = await ArchivedRange.FindMissingAsync(lineage, begin, end, cancellationToken);
        session.Output.Line(missing.Count == 0
            ? $"\tWAL sequence check for server {server}: no missing segments"
            : $"\tWAL sequence check for server {server}: {missing.Count} missing segment(s):");
        foreach (var name in missing)
        {
            session.Output.Line($"\t\t{name}");
        }
        session.Output.Result(server, new JsonObject
        {
            ["begin_wal"] = begin.ToString(),
            ["end_wal"] = end.ToString(),
            ["missing_wals"] = new JsonArray([.. missing.Select(static n => (JsonNode)n.ToString())]),
        });
        return missing.Count == 0 ? 0 : (int)ErrorKind.Failed;
    }
}
