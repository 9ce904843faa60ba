using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Targets;

namespace Barkeep.Cli;

/// <summary><c>targets</c>: to what a server can be restored, and what happened around a time. Needs no server that runs.</summary>
sealed class TargetsCommand : SessionCommand
{
    const int DefaultMinutes = 5;

    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<string> _around = new("--around") { Description = "also show what happened around this time: '2026-11-23 01:30:00+01:00'; without an offset it is in this machine's zone" };
    readonly Option<int?> _minutes = NumberOption.Between(1, 60 * 24, $"minutes before and after --around to show ({DefaultMinutes})", "--minutes", "--window");

    public TargetsCommand()
        : base("targets", "Show from when to when a server can be restored, and what happened around a time.")
    {
        Add(_servers);
        Add(_around);
        Add(_minutes);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var around = parse.GetValue(_around) is { } text ? TimeValue.Read(session, _around.Name, text) : (DateTimeOffset?)null;
        if (around is null && parse.GetValue(_minutes) is not null)
        {
            throw new BarkeepException(ErrorKind.Usage, "--minutes means nothing without --around");
        }
        var distance = TimeSpan.FromMinutes(parse.GetValue(_minutes) ?? DefaultMinutes);
        return session.ForEachAsync(session.SelectForRestore(parse.GetValue(_servers)!), server => RunAsync(session, server, around, distance, cancellationToken));
    }

    static async Task<int> RunAsync(Session session, ServerName server, DateTimeOffset? around, TimeSpan distance, CancellationToken cancellationToken)
    {
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        var clusters = new JsonArray();
        foreach (var lineage in repository.Lineages.Reverse())
        {
            var report = await ReadAsync(session, server, lineage, lineage == repository.Current, cancellationToken);
            if (around is { } time)
            {
                await report.AddAroundAsync(time, distance, cancellationToken);
            }
            if (clusters.Count > 0)
            {
                session.Output.Line("");
            }
            foreach (var line in report.Lines(server))
            {
                session.Output.Line(line);
            }
            clusters.Add((JsonNode)report.ToJson());
        }
        if (repository.Lineages.Count == 0)
        {
            session.Output.Line($"Server {server}: nothing has been received yet");
        }
        session.Output.Result(server, new JsonObject { ["clusters"] = clusters });
        return 0;
    }

    static async Task<TargetsReport> ReadAsync(Session session, ServerName server, Lineage lineage, bool isCurrent, CancellationToken cancellationToken)
    {
        var spool = session.SpoolOf(server, lineage);
        // In this order: what the receiver has heard of is then here.
        var receiver = ReceiverState.LastOf(session.Locations, server, lineage.Identity);
        var received = await ReceivedWal.ListAsync(lineage.Wal, spool, cancellationToken);
        var windows = await RecoveryWindows.ListAsync(lineage, spool, received, await lineage.Backups.ListAsync(cancellationToken), cancellationToken);
        var report = new TargetsReport(lineage, spool, received, windows, receiver, isCurrent, session.Time.LocalTimeZone);
        await report.AddPointsAsync(cancellationToken);
        return report;
    }
}
