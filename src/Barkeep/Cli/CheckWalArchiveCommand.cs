using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>
/// <c>check-wal-archive</c>: would WAL that a cluster is about to write meet other WAL here? Only of the same database cluster: what another one
/// writes is kept apart by its system identifier.
/// </summary>
sealed class CheckWalArchiveCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Option<int?> _timeline = NumberOption.Between(1, int.MaxValue, "WAL of earlier timelines may be here", "--timeline");

    public CheckWalArchiveCommand()
        : base("check-wal-archive", "Check that WAL of a new cluster would meet no other.")
    {
        Add(_server);
        Add(_timeline);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var from = parse.GetValue(_timeline) ?? 0;
        var lineage = (await session.OpenRepositoryAsync(server, cancellationToken)).Current;
        var timelines = lineage is null ? [] : (await lineage.Wal.ListSegmentsAsync(cancellationToken)).Select(static s => s.Name.Timeline).Distinct().Where(t => t.Value >= from).ToList();
        session.Output.Result(server, new JsonObject { ["timelines"] = new JsonArray([.. timelines.Select(static t => (JsonNode)(long)t.Value)]) });
        if (timelines.Count == 0)
        {
            session.Output.Line($"WAL archive check for server {server} passed");
            return 0;
        }
        var found = string.Join(", ", timelines);
        session.Output.Error($"WAL archive check failed for server {server}: Expected {(from == 0 ? "empty archive" : $"no WAL of timeline {from} or later")}, found WAL of timeline {found}");
        return (int)ErrorKind.Failed;
    }
}
