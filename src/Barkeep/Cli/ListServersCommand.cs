using System.CommandLine;
using System.Text.Json.Nodes;

namespace Barkeep.Cli;

/// <summary><c>list-servers</c>: what is configured.</summary>
sealed class ListServersCommand : SessionCommand
{
    readonly Option<bool> _minimal = new("--minimal") { Description = "names only" };

    public ListServersCommand()
        : base("list-servers", "List the configured servers.")
    {
        Aliases.Add("list-server");
        Add(_minimal);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Config.ListServers(), server =>
        {
            var description = session.Config.Read(server).Description;
            session.Output.Line(parse.GetValue(_minimal) ? $"{server}" : $"{server} - {description}");
            session.Output.Result(server, new JsonObject { ["description"] = description });
            return Task.FromResult(0);
        });
}
