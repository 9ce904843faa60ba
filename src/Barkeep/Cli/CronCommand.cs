using System.CommandLine;
using Barkeep.Backups;
using Barkeep.Cli.Processes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;

namespace Barkeep.Cli;

/// <summary>
/// <c>cron</c>: brings each server that is set up to where it should be, and does nothing when it is there. It runs every
/// minute, from a crontab, from <c>serve</c>, or from both.
/// </summary>
sealed class CronCommand : SessionCommand
{
    /// <summary>After a backup that failed, how long until cron tries another.</summary>
    static readonly TimeSpan Forbearance = TimeSpan.FromMinutes(30);

    readonly Option<bool> _dryRun = new("--dry-run") { Description = "say what the retention policy would remove, and why; do nothing" };
    readonly IgnoredOptions _ignored = new("--keep-descriptors!");

    public CronCommand()
        : base("cron", "Do what is due: run every minute.")
    {
        Add(_dryRun);
        _ignored.AddTo(this);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var servers = session.Config.ListServers();
        if (servers.Count == 0)
        {
            session.Output.Warning($"{session.NoneConfigured().Line}; nothing is done");
        }
        return session.ForEachAsync(servers, server =>
            !session.IsSetUp(server) ? Task.FromResult(0)
            : parse.GetValue(_dryRun) ? RetentionReport.PlanAsync(session, server, cancellationToken)
            : RunAsync(session, server, cancellationToken));
    }

    static async Task<int> RunAsync(Session session, ServerName server, CancellationToken cancellationToken)
    {
        var config = session.Config.Read(server);
        var repository = await Repository.OpenAsync(session.Locations.RepositoryDirectory(server), cancellationToken);
        if (repository.Current is not { } lineage)
        {
            // Set up with --no-verify: for restores, not for backups.
            return 0;
        }

        // The receiver first: everything else can wait, and for another cron whom a script holds up, the server's disk cannot.
        if (new ReceiverDuty(session, server).EnsureRunning() is not null)
        {
            session.Output.Info($"Starting streaming archiver for server {server}");
        }
        using var duty = DutyLock.TryTake(session.Locations.CronLock(server));
        if (duty is null)
        {
            session.Output.Info($"Another cron process is already running on server {server}. Skipping to the next server");
            return 0;
        }

        // What was cut off is cleared away. Null means that a backup runs now.
        var interrupted = await CatalogCleaning.TryRunAsync(repository, server, session.Locations, session.Time, cancellationToken);
        foreach (var id in interrupted ?? [])
        {
            session.Output.Warning($"backup {id} of server {server} was interrupted; it is FAILED now");
        }

        // Backups whose WAL has arrived are complete.
        foreach (var (id, check) in await WalCompletion.CheckAllAsync(lineage, session.Time, cancellationToken))
        {
            if (check.Fault is { } fault)
            {
                session.Output.Warning($"backup {id} of server {server} {(fault.Kind == ErrorKind.WalDiverged ? "is FAILED now" : "cannot be completed")}: {fault.Line}");
                continue;
            }
            session.Output.Info(check.Missing is { } missing ? $"Backup {id} of server {server} waits for WAL file {missing}" : $"Backup {id} of server {server} is complete");
        }

        // Backups that the retention policy does not want go.
        await RetentionReport.EnforceAsync(session, config, repository, cancellationToken);

        // What no backup needs any more goes.
        await CollectAsync(session, config, repository, cancellationToken);

        // No restore crosses a gap, nor gets to a timeline that branched off before each backup's end: what came after needs a backup of its own.
        if (interrupted is not null && await LacksBackupAsync(session, server, lineage, cancellationToken) is { } reason)
        {
            session.Output.Warning($"starting a backup of server {server}: {reason}");
            OwnProgram.StartDetached(session.Locations.BackupLog(server), "backup", server.ToString());
        }
        return 0;
    }

    static async Task CollectAsync(Session session, ServerConfig config, Repository repository, CancellationToken cancellationToken)
    {
        var server = config.Name;
        var collector = new Collector(repository, server, session.Locations) { Hooks = session.HooksWhileLockedOf(config) };
        if (!await collector.IsDueAsync(cancellationToken) || await collector.FindHoldAsync(cancellationToken) is not null)
        {
            return;
        }
        var result = await collector.RunAsync(Collector.DefaultBudget, cancellationToken);
        CollectionReport.Tell(session, server, result);
        if (result.Hold is { Kind: ErrorKind.Damaged } damage)
        {
            session.Output.Warning($"nothing can be removed on server {server}: {damage.Reason}");
        }
    }

    static async Task<string?> LacksBackupAsync(Session session, ServerName server, Lineage lineage, CancellationToken cancellationToken)
    {
        var backups = await lineage.Backups.ListPartsAsync(cancellationToken);
        if (backups is [.., var (id, parts)] && parts.HasFlag(BackupParts.Failed)
            && await lineage.Backups.TryGetAsync(id, cancellationToken) is { State: BackupState.Failed, StartedAt: { } failed } && session.Time.GetUtcNow() - failed < Forbearance)
        {
            return null;
        }
        var coverage = await CoverageReport.LookAsync(session, server, lineage, cancellationToken);
        // Where the server was when it was last heard of is no reason to try again and again while it is away.
        return coverage.IsOpen || new ReceiverDuty(session, server).IsStreaming ? coverage.Lack : null;
    }
}
