using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Health;

namespace Barkeep.Cli;

/// <summary><c>show-servers</c>: the configuration in effect, and what the server is like now; one that is down is no failure.</summary>
sealed class ShowServersCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();

    public ShowServersCommand()
        : base("show-servers", "Show the configuration in effect, and what servers are like now.")
    {
        Aliases.Add("show-server");
        Add(_servers);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var config = session.Config.Read(server);
            var rows = ServerReport.Configuration(config).Concat(ServerReport.Places(session, server)).ToList();
            if (session.IsSetUp(server))
            {
                rows.AddRange(ServerReport.State(await new HealthProbe(config, session.Locations, session.Time).GatherAsync(cancellationToken)));
            }
            session.Output.Line($"Server {server}:");
            rows.ForEach(row => session.Output.Line($"\t{row.Key}: {ServerReport.Text(row.Value)}"));
            session.Output.Result(server, ServerReport.ToJson(rows));
            return 0;
        });
}
