using System.CommandLine;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>show-servers</c>: the configuration in effect.</summary>
sealed class ShowServersCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();

    public ShowServersCommand()
        : base("show-servers", "Show the configuration in effect.")
    {
        Aliases.Add("show-server");
        Add(_servers);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), server =>
        {
            var rows = ServerReport.Configuration(session.Config.Read(server)).Concat(ServerReport.Places(session, server)).ToList();
            session.Output.Line($"Server {server}:");
            rows.ForEach(row => session.Output.Line($"\t{row.Key}: {row.Value}"));
            session.Output.Result(server, ServerReport.ToJson(rows));
            return Task.FromResult(0);
        });
}
