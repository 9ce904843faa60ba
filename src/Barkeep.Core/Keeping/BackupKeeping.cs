using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>Keeps backups until they are released, whatever the retention policy says, and releases them.</summary>
public static class BackupKeeping
{
    /// <summary>Keeps a backup, or releases it; durable when it returns. Nothing that was kept for it goes before the next collection.</summary>
    /// <param name="target">Null releases it.</param>
    /// <returns>The first WAL segment that <see cref="KeepTarget.Full"/> is to keep and that is gone already; null when none is.</returns>
    /// <exception cref="BarkeepException">UnknownBackup; BackupUnusable: it failed, or is not finished; Busy: backups are being deleted or collected just now.</exception>
    public static async Task<SegmentName?> SetAsync(
        Repository repository, ServerName server, Locations locations, BackupId id, KeepTarget? target, TimeProvider time, CancellationToken cancellationToken)
    {
        using var turn = DutyLock.TryTake(locations.CatalogLock(server)) ?? throw Busy("another command is keeping or deleting a backup");
        var (lineage, backup) = await repository.TryFindAsync(id, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"unknown backup '{id}' for server '{server}'", $"barman list-backup {server} shows those that exist");
        if (target is not null && backup.Info is null)
        {
            throw new BarkeepException(ErrorKind.BackupUnusable, $"backup {id} cannot be kept: it {(backup.State == BackupState.Started ? "is not finished" : "cannot be restored")}", "keep another one");
        }

        // More WAL is to be kept than before: not while some of it is being removed.
        using var collection = backup.Keep == KeepTarget.Standalone && target != KeepTarget.Standalone
            ? DutyLock.TryTake(locations.CollectionLock(server)) ?? throw Busy("a collection is running")
            : null;
        await lineage.Backups.KeepAsync(id, target, time.GetLocalNow(), cancellationToken);
        if (collection is not null)
        {
            await RecordCollectedAsync(lineage, WalSpool.Of(lineage, server, locations), id, time.GetLocalNow(), cancellationToken);
        }
        return target == KeepTarget.Full ? await FindMissingAsync(lineage, server, locations, backup.Info!, cancellationToken) : null;

        BarkeepException Busy(string what) => new(ErrorKind.Busy, $"{what} of server {server}", "run the command again");
    }

    // What collection has removed after it is nobody's fault: neither lost, nor to be received again.
    static async Task RecordCollectedAsync(Lineage lineage, WalSpool spool, BackupId id, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var received = await ReceivedWal.ListAsync(lineage.Wal, spool, cancellationToken);
        foreach (var missing in new WalHoles(received).Of(await lineage.Backups.ListAsync(cancellationToken)).GetValueOrDefault(id, []).Where(m => !m.IsRecorded && !received.Damaged.Contains(m.First)))
        {
            await lineage.Wal.RecordGapAsync(new(missing.First.Timeline, missing.From, missing.To, $"it was removed while backup {id} was kept by itself", now), cancellationToken);
        }
    }

    // Towards where the server is, if it leads there: of its own timeline nothing may be left.
    static async Task<SegmentName?> FindMissingAsync(Lineage lineage, ServerName server, Locations locations, BackupInfo info, CancellationToken cancellationToken)
    {
        var receiver = ReceiverState.LastOf(locations, server, lineage.Identity);
        var received = await ReceivedWal.ListAsync(lineage.Wal, WalSpool.Of(lineage, server, locations), cancellationToken);
        var present = PresentTimeline.Of(received, await lineage.Backups.ListAsync(cancellationToken), receiver);
        var route = WalRoute.Choose(received, info.TimelineId, info.BeginLsn, info.EndLsn, present.Timeline) ?? WalRoute.Choose(received, info.TimelineId, info.BeginLsn, info.EndLsn, info.TimelineId);
        return route?.FindMissing(received)?.First;
    }
}
