using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>Whether the WAL that a backup needs is in the repository. Only then is the backup DONE.</summary>
public static class WalCompletion
{
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(25);

    /// <summary>The first segment between the backup's begin and its end that is not in the repository; null when all are.</summary>
    public static async Task<SegmentName?> FindMissingAsync(Lineage lineage, BackupInfo info, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        var timeline = info.TimelineId;
        IReadOnlyList<TimelineId>? descendants = null;
        var last = size.NumberOf(new(info.EndLsn.Value - 1));
        for (var number = size.NumberOf(info.BeginLsn); number <= last; number++)
        {
            var name = SegmentName.Of(timeline, number, size);
            if (await lineage.Wal.HasSegmentAsync(name, cancellationToken))
            {
                continue;
            }
            // A segment in which the server was promoted is complete on the new timeline only, with the old one's WAL in it.
            descendants ??= await DescendantsAsync(lineage, timeline, info.EndLsn, cancellationToken);
            var found = false;
            foreach (var descendant in descendants)
            {
                found = found || await lineage.Wal.HasSegmentAsync(name with { Timeline = descendant }, cancellationToken);
            }
            if (!found)
            {
                return name;
            }
        }
        return null;
    }

    /// <summary>Makes each backup that waits for WAL DONE when that WAL is there. For <c>cron</c> and <c>check-backup</c>.</summary>
    /// <returns>Each backup that waited, with the segment that it still lacks.</returns>
    public static async Task<IReadOnlyList<(BackupId Id, SegmentName? Missing)>> CheckAllAsync(Lineage lineage, TimeProvider time, CancellationToken cancellationToken)
    {
        var checks = new List<(BackupId, SegmentName?)>();
        foreach (var backup in await lineage.Backups.ListAsync(cancellationToken))
        {
            if (backup is { State: BackupState.WaitingForWals, Info: { } info })
            {
                checks.Add((backup.Id, await CheckAsync(lineage, backup.Id, info, time, cancellationToken)));
            }
        }
        return checks;
    }

    /// <summary>Makes a backup DONE if the WAL that it needs is there; durable when it returns null.</summary>
    /// <returns>The first segment that is missing.</returns>
    public static async Task<SegmentName?> CheckAsync(Lineage lineage, BackupId id, BackupInfo info, TimeProvider time, CancellationToken cancellationToken)
    {
        var missing = await FindMissingAsync(lineage, info, cancellationToken);
        if (missing is null)
        {
            await lineage.Backups.CompleteAsync(id, time.GetLocalNow(), cancellationToken);
        }
        return missing;
    }

    /// <summary>As <see cref="CheckAsync"/>, again and again until the WAL is there or the time is over.</summary>
    internal static async Task<SegmentName?> WaitAsync(Lineage lineage, BackupId id, BackupInfo info, TimeSpan limit, TimeProvider time, Action<SegmentName> waiting, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var missing = await CheckAsync(lineage, id, info, time, cancellationToken);
            if (missing is not { } name || time.GetElapsedTime(start) >= limit)
            {
                return missing;
            }
            waiting(name);
            await Task.Delay(PollInterval, time, cancellationToken);
        }
    }

    static async Task<IReadOnlyList<TimelineId>> DescendantsAsync(Lineage lineage, TimelineId timeline, Lsn end, CancellationToken cancellationToken)
    {
        // One whose history cannot be read is none that a restore could follow.
        var histories = await lineage.Wal.ReadHistoriesAsync([], cancellationToken);
        return [.. histories.Values.Where(h => h.Timeline != timeline && h.Contains(timeline, end)).Select(static h => h.Timeline)];
    }
}
