using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Configuration;

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
            var config = session.Config.Read(server);
            if (minimal)
            {
                var ids = await ServerBackups.ListIdsAsync(session, server, cancellationToken);
                Tell(session.Output, server, ids, static id => id.ToString(), static id => id.ToString());
            }
            else
            {
                var backups = await ServerBackups.ReadAsync(session, server, withWal: true, cancellationToken);
                await backups.JudgeAsync(config, cancellationToken);
                Tell(session.Output, server, backups.NewestFirst, backup => backup.ListLine(server), static backup => backup.ListRow());
            }
            return 0;
        });
    }

    // In the one form that is asked for: there may be thousands.
    static void Tell<T>(Output output, ServerName server, IEnumerable<T> backups, Func<T, string> line, Func<T, JsonNode> row)
    {
        if (output.IsJson)
        {
            output.Result(server, new JsonArray([.. backups.Select(row)]));
            return;
        }
        foreach (var backup in backups)
        {
            output.Line(line(backup));
        }
    }
}
