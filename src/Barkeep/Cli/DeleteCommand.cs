using System.CommandLine;
using System.Globalization;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;

namespace Barkeep.Cli;

/// <summary><c>delete</c>: removes one backup and the WAL that no other needs.</summary>
sealed class DeleteCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();
    readonly Option<bool> _dryRun = CommonArguments.DryRun();

    public DeleteCommand()
        : base("delete", "Delete a backup and the WAL that no other backup needs.")
    {
        Add(_server);
        Add(_backup);
        Add(_dryRun);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var config = session.Read(parse.GetValue(_server)!);
        var backup = (await ServerBackups.ReadAsync(session, config.Name, withWal: false, cancellationToken)).Find(config.Name, parse.GetValue(_backup)!);
        var deletion = new BackupDeletion(await session.OpenRepositoryAsync(config.Name, cancellationToken), config.Name, session.Locations, session.Time, config.MinimumRedundancy) { Hooks = session.HooksOf(config) };
        return await (parse.GetValue(_dryRun) ? PlanAsync(session, config.Name, backup, deletion, cancellationToken) : RunAsync(session, config.Name, backup, deletion, cancellationToken));
    }

    static async Task<int> PlanAsync(Session session, ServerName server, ServerBackup backup, BackupDeletion deletion, CancellationToken cancellationToken)
    {
        var (refusal, plans) = await deletion.PlanAsync(backup.Id, cancellationToken);
        if (refusal is not null)
        {
            return Refuse(session, server, backup, refusal);
        }
        session.Output.Line($"backup {backup.Id}: it was asked for");
        var json = CollectionReport.Plan(session, plans);
        session.Output.Line($"{new ByteSize(plans.Sum(static p => p.FreedLength))} would be freed on server {server}");
        json["backups"] = CollectionReport.Backups([(backup.Id, "it was asked for")]);
        session.Output.Result(server, json);
        return 0;
    }

    static async Task<int> RunAsync(Session session, ServerName server, ServerBackup backup, BackupDeletion deletion, CancellationToken cancellationToken)
    {
        var start = session.Time.GetLocalNow();
        session.Output.Info($"Deleting backup {backup.Id} for server {server}");
        var result = await deletion.RunAsync(backup.Id, cancellationToken);
        if (result.Refused.Count > 0)
        {
            return Refuse(session, server, backup, result.Refused[0].Reason);
        }
        if (result.Segments.Count > 0)
        {
            session.Output.Info("Delete associated WAL segments:");
            foreach (var segment in result.Segments)
            {
                session.Output.Info($"\t{segment.Name}");
            }
        }
        foreach (var finding in result.Findings)
        {
            session.Output.Warning($"server {server}: {finding}");
        }
        if (result.Hold is { } hold)
        {
            session.Output.Info($"The space comes back later, by cron: {hold.Reason}");
        }
        var elapsed = BackupReport.Duration(session.Time.GetLocalNow() - start);
        session.Output.Info(string.Create(CultureInfo.InvariantCulture, $"Deleted backup {backup.Id} (start time: {start:ddd MMM d HH:mm:ss yyyy}, elapsed time: {elapsed})"));
        return 0;
    }

    static int Refuse(Session session, ServerName server, ServerBackup backup, string reason)
    {
        session.Output.Warning($"Skipping delete of backup {backup.Id} for server {server} {reason}");
        return (int)ErrorKind.Failed;
    }
}
