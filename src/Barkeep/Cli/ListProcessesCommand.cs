using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>list-processes</c>: who is at work for a server.</summary>
sealed class ListProcessesCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();

    public ListProcessesCommand()
        : base("list-processes", "List the processes that are at work for a server.") => Add(_server);

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.Read(parse.GetValue(_server)!).Name;
        var found = Duty.Of(session.Locations, server).Select(static d => (d.Name, Pid: d.FindProcess())).Where(static d => d.Pid is not null).ToList();
        session.Output.Line(found.Count == 0 ? $"No active subprocesses found for server {server}" : $"Active subprocesses for server {server}:");
        foreach (var (name, pid) in found)
        {
            session.Output.Line($"{pid} {name}");
        }
        session.Output.Result(server, new JsonArray([.. found.Select(static d => (JsonNode)new JsonObject { ["name"] = d.Name, ["pid"] = d.Pid })]));
        return Task.FromResult(0);
    }
}
