using System.CommandLine;
using Barkeep.Backups;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Cli;

/// <summary><c>check-backup</c>: is the WAL that a backup needs here? If so, it is complete.</summary>
sealed class CheckBackupCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();

    public CheckBackupCommand()
        : base("check-backup", "Check that the WAL that a backup needs is here.")
    {
        Add(_server);
        Add(_backup);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.Read(parse.GetValue(_server)!).Name;
        var backup = (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, parse.GetValue(_backup)!);
        if (backup.Info is not { } info)
        {
            throw new BarkeepException(ErrorKind.BackupUnusable, $"backup {backup.Id} of server '{server}' is {backup.Status}: {backup.Record.Failure ?? "it has no manifest"}", $"use another one: barman list-backups {server}");
        }
        var check = backup.Record.State == BackupState.Done
            ? new(await WalCompletion.FindMissingAsync(backup.Lineage, info, cancellationToken), null)
            : await WalCompletion.CheckAsync(backup.Lineage, backup.Id, info, session.Time, cancellationToken);
        if (check.Fault is { } fault)
        {
            throw fault;
        }
        return check.Missing is { } segment
            ? throw new BarkeepException(ErrorKind.BackupUnusable, $"backup {backup.Id} of server '{server}' needs WAL file {segment}, which is not in the repository", $"barman check {server} shows why it has not arrived")
            : 0;
    }
}
