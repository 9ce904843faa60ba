using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Keeping;
using Barkeep.Packs;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Repo;
using Microsoft.Extensions.Logging;

namespace Barkeep.Backups;

/// <summary>Takes a base backup of one server: every file of its cluster, read over SQL, into the server's repository.</summary>
public sealed class BackupJob(ServerConfig server, Locations locations, ILogger logger, TimeProvider time)
{
    readonly HookScripts _hooks = new(server, locations, logger, time);

    /// <summary>Makes the codecs that pages are stored with.</summary>
    public Func<FrameCodec> Codec { get; init; } = static () => new();

    /// <summary>
    /// Takes a backup. When it returns, the backup exists durably, and is DONE if the WAL that it needs is there too.
    /// When it throws, or is cancelled, before that, the backup is FAILED with the reason, its packs are removed, and nothing is
    /// left on the server.
    /// </summary>
    /// <exception cref="BarkeepException">
    /// Busy: another backup is running. WrongSystem: another cluster answers. MissingGrant: names the grants.
    /// UnsupportedServer, WalLevelMinimal, ServerUnreachable, AuthenticationFailed, ConnectionLost, ServerError, DiskFull, Storage.
    /// Interrupted: cancelled before the backup existed.
    /// WalDiverged: the backup exists, and is FAILED: the WAL that was received is not the server's. Damaged, ObjectMissing: it exists; the WAL that was received for it cannot be read.
    /// </exception>
    public async Task<BackupResult> RunAsync(BackupOptions options, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        // One backup of a server at a time.
        progress?.Report(new() { Step = BackupStep.Preparing });
        using var duty = await BackupDuty.TakeAsync(server.Name, locations, time, cancellationToken);

        // Is it the server that is meant, and may we?
        var repository = await Repository.OpenAsync(locations.RepositoryDirectory(server.Name), cancellationToken);
        await using var session = await SqlSession.OpenAsync(server, "backup", cancellationToken);
        var facts = await CheckServerAsync(session, cancellationToken);
        var lineage = await repository.AdoptAsync(new(facts.SystemId, facts.MajorVersion, facts.SegmentSize), acceptNew: false, time.GetLocalNow(), cancellationToken);

        // Clear what an interrupted backup left: this one may need the room.
        var interrupted = await CatalogCleaning.RunAsync(repository, time, cancellationToken);
        foreach (var failed in interrupted)
        {
            logger.LogWarning("Backup {Id} was interrupted; it is FAILED now", failed);
        }
        if (interrupted.Count > 0)
        {
            await new Collector(repository, server.Name, locations).RunAsync(budget: 0, cancellationToken);
        }

        // Take the backup.
        var id = await lineage.ClaimBackupAsync(time.GetLocalNow(), ProgramVersion.Signature, cancellationToken);
        logger.LogInformation("Backup {Id} of server {Server} begins", id, server.Name);
        var copy = new BackupCopy(server, facts, lineage, id, options, new(server, locations, lineage, time), Codec, time, progress);
        var info = await TakeAsync(lineage, id, copy, session, cancellationToken);
        logger.LogInformation("Backup {Id}: {Read} of {Size} bytes read, {Stored} stored; {How}", id, info.ReadBytes, info.ClusterSize, info.StoredBytes,
            info.Parent is { } parent ? $"incremental since {parent}" : $"everything was read: {info.WhyEverything}");

        // It exists; wait for the WAL that makes it usable.
        var result = await WaitForWalAsync(lineage, id, info, options, copy.Warnings, progress, cancellationToken);
        await RunHookAsync(lineage, id, result.Missing is null ? "DONE" : "WAITING_FOR_WALS", null, cancellationToken);
        return result;
    }

    async Task RunHookAsync(Lineage lineage, BackupId id, string status, string? error, CancellationToken cancellationToken)
    {
        if (_hooks.Has("backup"))
        {
            await _hooks.AfterAsync("backup", await HookVariables.OfBackupAsync(lineage, id, _hooks.Repository, status, cancellationToken), error, cancellationToken);
        }
    }

    async Task<ServerFacts> CheckServerAsync(SqlSession session, CancellationToken cancellationToken)
    {
        var missing = (await BackupGrants.MissingAsync(session, cancellationToken)).Where(static g => g.IsForBackup).ToList();
        if (missing.Count > 0)
        {
            throw new BarkeepException(
                ErrorKind.MissingGrant,
                $"the role {server.BackupUser} lacks privileges in database {server.Database}: {string.Join("; ", missing.Select(g => g.StatementFor(server.BackupUser)))}",
                "have a superuser run these statements");
        }
        var facts = await ServerFacts.ReadAsync(session, cancellationToken);
        return facts.WalLevel != "minimal"
            ? facts
            : throw new BarkeepException(ErrorKind.WalLevelMinimal, $"server {server.Name} has wal_level = minimal: its WAL does not suffice for a restore", "set wal_level = replica and restart the server");
    }

    async Task<BackupInfo> TakeAsync(Lineage lineage, BackupId id, BackupCopy copy, SqlSession session, CancellationToken cancellationToken)
    {
        try
        {
            if (_hooks.Has("backup"))
            {
                await _hooks.BeforeAsync("backup", await HookVariables.OfBackupAsync(lineage, id, _hooks.Repository, "STARTED", cancellationToken), cancellationToken);
            }
            using var packs = lineage.Packs.Begin(id);
            var manifest = await copy.RunAsync(session, packs, cancellationToken);
            await lineage.Backups.CommitAsync(id, manifest, cancellationToken);
            return manifest.Info;
        }
        catch (Exception e)
        {
            var failure = e switch
            {
                // Whatever broke first when everything was told to stop.
                _ when cancellationToken.IsCancellationRequested => new(ErrorKind.Interrupted, $"backup {id} was stopped before it was complete", null, e),
                BarkeepException known => known,
                IOException or UnauthorizedAccessException => Errno.From(e, $"writing backup {id}"),
                _ => null,
            };
            await FailAsync(lineage, id, failure ?? e, failure?.Kind ?? ErrorKind.Failed);
            if (!cancellationToken.IsCancellationRequested)
            {
                await RunHookAsync(lineage, id, "FAILED", (failure ?? e).Message, cancellationToken);
            }
            if (failure is null)
            {
                throw;
            }
            throw failure;
        }
    }

    async Task FailAsync(Lineage lineage, BackupId id, Exception failure, ErrorKind kind)
    {
        try
        {
            // A manifest that was put although its put failed is a backup: it needs its packs.
            if ((await lineage.Backups.TryGetAsync(id, CancellationToken.None))?.Info is not null)
            {
                return;
            }
            // Packs first: on a full disk the record needs their room.
            await lineage.Packs.DeleteOfAsync(id, after: 0, CancellationToken.None);
            await lineage.Backups.FailAsync(id, failure.Message, kind, time.GetLocalNow(), CancellationToken.None);
        }
        catch (BarkeepException e)
        {
            logger.LogError("Backup {Id} failed, which could not be recorded: {Reason}; the next backup or cron does so", id, e.Line);
        }
    }

    async Task<BackupResult> WaitForWalAsync(
        Lineage lineage, BackupId id, BackupInfo info, BackupOptions options, IReadOnlyList<string> warnings, IProgress<BackupProgress>? progress, CancellationToken cancellationToken)
    {
        var isReceiving = DutyLock.IsHeld(locations.ReceiverLock(server.Name));
        var limit = isReceiving || options.WaitWithoutReceiver ? options.WalTimeout : TimeSpan.Zero;
        var step = new BackupProgress { Step = BackupStep.WaitingForWal, Id = id, BeginLsn = info.BeginLsn, EndLsn = info.EndLsn, BytesDone = info.ReadBytes };
        progress?.Report(step);
        var check = await WalCompletion.WaitAsync(lineage, id, info, limit, time, name => progress?.Report(step with { Awaited = name }), cancellationToken);
        if (check.Fault is { } fault)
        {
            await RunHookAsync(lineage, id, fault.Kind == ErrorKind.WalDiverged ? "FAILED" : "WAITING_FOR_WALS", fault.Message, cancellationToken);
            throw fault;
        }
        if (check.Missing is not { } missing)
        {
            return new(id, BackupState.Done, info, null, warnings);
        }
        var warning = isReceiving
            ? $"WAL segment {missing} has not arrived within {limit.TotalSeconds:0} s; the backup is usable once it has, which cron notices{WhyReceiverWaits()}"
            : $"WAL segment {missing} is missing, and no receive-wal of server {server.Name} is running: start it (cron does) to make the backup usable";
        logger.LogWarning("Backup {Id}: {Warning}", id, warning);
        return new(id, BackupState.WaitingForWals, info, missing, [.. warnings, warning]);

        string WhyReceiverWaits() => ReceiverState.TryRead(locations.ReceiverStateFile(server.Name)) is { Phase: not ReceiverPhase.Streaming, Reason: { } reason } ? $"; receive-wal: {reason}" : "";
    }
}
