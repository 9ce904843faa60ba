using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;

namespace Barkeep.Cli;

/// <summary><c>check</c>: is a server well backed up? The exit code is 1 when anything is not.</summary>
sealed class CheckCommand : SessionCommand
{
    const int Critical = 2;

    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _nagios = new("--nagios") { Description = "one line for Nagios, whatever -f says, and its exit codes: 0 or 2" };
    readonly IgnoredOptions _ignored = new("--check-timeout");

    public CheckCommand()
        : base("check", "Check that servers are well backed up.")
    {
        Add(_servers);
        Add(_nagios);
        _ignored.AddTo(this);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_nagios))
        {
            session.Output.SpeakInLines();
            return RunForNagiosAsync(session, parse.GetValue(_servers)!, cancellationToken);
        }
        _ignored.Warn(session, parse);
        return session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var (_, findings) = await CheckReport.GatherAsync(session, session.ReadSetUp(server), cancellationToken);
            CheckReport.Print(session, server, findings);
            return findings.All(static f => f.Passed) ? 0 : (int)ErrorKind.Failed;
        });
    }

    static async Task<int> RunForNagiosAsync(Session session, string[] names, CancellationToken cancellationToken)
    {
        var well = new List<ServerName>();
        var ill = new List<(ServerName Server, IReadOnlyList<Finding> Failed)>();
        var figures = new List<string>();
        IReadOnlyList<ServerName> servers;
        try
        {
            servers = session.Select(names);
        }
        catch (BarkeepException e)
        {
            session.Output.Line($"BARMAN CRITICAL - {e.Line}");
            return Critical;
        }
        foreach (var server in servers)
        {
            var (sizes, failed) = await FindFailuresAsync(session, server, cancellationToken);
            figures.AddRange(sizes);
            if (failed.Count > 0)
            {
                ill.Add((server, failed));
            }
            else
            {
                well.Add(server);
            }
        }
        var tail = figures.Count == 0 ? "" : $"|{string.Join(' ', figures)}";
        if (ill.Count == 0)
        {
            session.Output.Line($"BARMAN OK - Ready to serve the Espresso backup for {string.Join(' ', well)}{tail}");
            return 0;
        }
        var summary = ill.Select(static i => $"{i.Server} FAILED: {string.Join(", ", i.Failed.Select(static f => f.Name))}");
        session.Output.Line($"BARMAN CRITICAL - {(ill.Count == 1 ? "server" : "servers")} {string.Join(' ', ill.Select(static i => i.Server))} has issues * {string.Join(" * ", summary)}{tail}");
        foreach (var (server, failed) in ill)
        {
            foreach (var finding in failed)
            {
                session.Output.Line($"{server}.{finding}");
            }
        }
        return Critical;
    }

    static async Task<(IReadOnlyList<string> Figures, IReadOnlyList<Finding> Failed)> FindFailuresAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        try
        {
            var (facts, findings) = await CheckReport.GatherAsync(session, session.ReadSetUp(server), cancellationToken);
            return ([$"{server}={facts.Newest?.Info?.ClusterSize ?? 0}B", $"{server}_wals={facts.WalBytes}B"], [.. findings.Where(static f => !f.Passed)]);
        }
        catch (BarkeepException e) when (e.Kind != ErrorKind.Interrupted)
        {
            return ([], [Finding.Failed("configuration", e.Line)]);
        }
    }
}
