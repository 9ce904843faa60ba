using System.CommandLine;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>rebuild-xlogdb</c>: there is no list of WAL files that could be wrong; the repository is the list, and this counts it.</summary>
sealed class RebuildXlogdbCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();

    public RebuildXlogdbCommand()
        : base("rebuild-xlogdb", "Count the WAL files: there is no list to rebuild.") => Add(_servers);

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var lineage = await session.OpenLineageAsync(server, cancellationToken);
            var histories = await lineage.Wal.ListHistoriesAsync(cancellationToken);
            var segments = await lineage.Wal.ListSegmentsAsync(cancellationToken);
            session.Output.Info($"Done rebuilding xlogdb for server {server} (history: {histories.Count}, backup_labels: 0, wal_file: {segments.Count})");
            return 0;
        });
}
