using System.CommandLine;
using System.Globalization;
using Barkeep.Backups;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>delete</c>: removes one backup and the WAL that no other needs.</summary>
sealed class DeleteCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();

    public DeleteCommand()
        : base("delete", "Delete a backup and the WAL that no other backup needs.")
    {
        Add(_server);
        Add(_backup);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var start = session.Time.GetLocalNow();
        var server = session.Read(parse.GetValue(_server)!).Name;
        var backup = (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, parse.GetValue(_backup)!);
        session.Output.Info($"Deleting backup {backup.Id} for server {server}");
        var result = await BackupDeletion.RunAsync(await session.OpenRepositoryAsync(server, cancellationToken), server, session.Locations, backup.Id, session.Time, cancellationToken);
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
}
