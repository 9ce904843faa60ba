using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Configuration;
using Barkeep.Receiving;

namespace Barkeep.Cli;

/// <summary><c>archive-wal</c>: puts what has been received completely into the repository, if that has not been done yet.</summary>
sealed class ArchiveWalCommand : SessionCommand
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    readonly Argument<string[]> _servers = CommonArguments.Servers();

    public ArchiveWalCommand()
        : base("archive-wal", "Put complete WAL files into the repository now.") => Add(_servers);

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), server => RunAsync(session, session.ReadSetUp(server), cancellationToken));

    static async Task<int> RunAsync(Session session, ServerConfig config, CancellationToken cancellationToken)
    {
        var lineage = await session.OpenLineageAsync(config.Name, cancellationToken);
        var archiving = new SpoolArchiving(config, session.Locations, lineage, session.HooksWhileLockedOf(config), session.Time, session.Log);
        var segments = archiving.ListComplete();
        session.Output.Info(segments.Count == 0
            ? $"No xlog segments found from streaming for {config.Name}."
            : $"Processing xlog segments from streaming for {config.Name} (batch size: {segments.Count})");
        await archiving.RunAsync(segments, Limit, cancellationToken);
        foreach (var segment in segments)
        {
            session.Output.Info($"\t{segment}");
        }
        return 0;
    }
}
