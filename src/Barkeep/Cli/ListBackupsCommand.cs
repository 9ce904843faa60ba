using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>list-backups</c>: a line for each backup, the newest first.</summary>
sealed class ListBackupsCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _minimal = new("--minimal") { Description = "ids only" };

    public ListBackupsCommand()
        : base("list-backups", "List the backups of servers, the newest first.")
    {
        Aliases.Add("list-backup");
        Add(_servers);
        Add(_minimal);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var minimal = parse.GetValue(_minimal);
        return session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            _ = session.Config.Read(server);
            var rows = new JsonArray();
            if (minimal)
            {
                foreach (var id in await ServerBackups.ListIdsAsync(session, server, cancellationToken))
                {
                    session.Output.Line($"{id}");
                    rows.Add((JsonNode)id.ToString());
                }
            }
            else
            {
                foreach (var backup in (await ServerBackups.ReadAsync(session, server, withWal: true, cancellationToken)).NewestFirst)
                {
                    session.Output.Line(backup.ListLine(server));
                    rows.Add((JsonNode)backup.ListRow());
                }
            }
            session.Output.Result(server, rows);
            return 0;
        });
    }
}
