using System.CommandLine;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>show-backup</c>: all that is known of one backup.</summary>
sealed class ShowBackupCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();

    public ShowBackupCommand()
        : base("show-backup", "Show all that is known of a backup.")
    {
        Aliases.Add("show-backups");
        Add(_server);
        Add(_backup);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var config = session.Read(parse.GetValue(_server)!);
        var server = config.Name;
        var backups = await ServerBackups.ReadAsync(session, server, withWal: true, cancellationToken);
        await backups.JudgeAsync(config, cancellationToken);
        var backup = backups.Find(server, parse.GetValue(_backup)!);
        var usable = backups.OldestFirst.Where(b => b.IsUsable || b == backup).ToList();
        var place = usable.IndexOf(backup);
        var details = new BackupDetails(server, backup, usable.ElementAtOrDefault(place - 1), usable.ElementAtOrDefault(place + 1))
        {
            IsRetentionEnforced = !config.Retention.IsNone,
            Children = [.. usable.Where(b => b.Info?.Parent == backup.Id.ToString() && b.Lineage == backup.Lineage).Select(static b => b.Id)],
        };
        foreach (var line in new BackupDetailsText(details).Lines())
        {
            session.Output.Line(line);
        }
        session.Output.Result(server, new BackupDetailsJson(details).Write());
        return 0;
    }
}
