using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Fetching;

namespace Barkeep.Cli;

/// <summary>What <see cref="WalRestoreCommand"/> starts: lays down segments until the server is through.</summary>
sealed class PrefetchWalCommand : RecoveryCommand
{
    public const string CommandName = "prefetch-wal";

    readonly Argument<string> _data = new("DATA_DIRECTORY") { Description = "the recovering server's" };
    readonly Argument<int> _count = new("COUNT") { Description = "how many segments to have at hand" };
    readonly Argument<string> _root = new("SPOOL_DIRECTORY") { Description = "where" };

    public PrefetchWalCommand()
        : base(CommandName, "Have WAL at hand for a recovering server.")
    {
        Hidden = true;
        Add(_data);
        Add(_count);
        Add(_root);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        // Who works in a data directory is taken for its server.
        Environment.CurrentDirectory = "/";
        var server = session.FindForRestore(parse.GetValue(ServerArgument)!);
        if (RecoveringServer.TryFind(parse.GetValue(_data)!) is not { } recovering)
        {
            return 0;
        }
        var (lineage, fetch) = await OpenAsync(session, server, recovering.SystemId, cancellationToken);
        var place = new PrefetchPlace(parse.GetValue(_root)!, session.Locations.RepositoryDirectory(server), recovering.SystemId);
        await new Prefetcher(fetch, place, lineage.Identity.SegmentSize, parse.GetValue(_count), recovering.Recovers, session.Time).RunAsync(cancellationToken);
        return 0;
    }
}
