using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>Whether the WAL that a backup needs is in the repository, and its server's. Only then is the backup DONE.</summary>
public static class WalCompletion
{
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(25);

    /// <summary>The first segment between the backup's begin and its end that is not in the repository; null when all are.</summary>
    public static async Task<SegmentName?> FindMissingAsync(Lineage lineage, BackupInfo info, CancellationToken cancellationToken) =>
        (await FindHeldAsync(lineage, info, cancellationToken)).Missing;

    /// <summary>Makes each backup that waits for WAL DONE when that WAL is there, and FAILED when other WAL is there instead. For <c>cron</c> and <c>check-backup</c>.</summary>
    /// <returns>Each backup that waited, with what was found.</returns>
    public static async Task<IReadOnlyList<(BackupId Id, WalCheck Check)>> CheckAllAsync(Lineage lineage, TimeProvider time, CancellationToken cancellationToken)
    {
        var checks = new List<(BackupId, WalCheck)>();
        foreach (var backup in await lineage.Backups.ListAsync(cancellationToken))
        {
            if (backup is { State: BackupState.WaitingForWals, Info: { } info })
            {
                checks.Add((backup.Id, await CheckAsync(lineage, backup.Id, info, time, cancellationToken)));
            }
        }
        return checks;
    }

    /// <summary>Makes a backup DONE if the WAL that it needs is there, or FAILED if it is another server's; durable when it returns.</summary>
    /// <exception cref="BarkeepException">Storage; DiskFull.</exception>
    public static async Task<WalCheck> CheckAsync(Lineage lineage, BackupId id, BackupInfo info, TimeProvider time, CancellationToken cancellationToken)
    {
        var (held, missing) = await FindHeldAsync(lineage, info, cancellationToken);
        try
        {
            if (await FindContradictionAsync(lineage, info, held, cancellationToken) is { } contradiction)
            {
                var reason = $"the WAL that was received is not that of the server that backup {id} was taken from: {contradiction}";
                await lineage.Backups.FailAsync(id, reason, ErrorKind.WalDiverged, time.GetLocalNow(), cancellationToken);
                return new(missing, new(ErrorKind.WalDiverged, reason, "the server was put back to an earlier state, or two clusters write one timeline: barman check says what to do"));
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            return new(missing, e);
        }
        if (missing is null)
        {
            await lineage.Backups.CompleteAsync(id, time.GetLocalNow(), cancellationToken);
        }
        return new(missing, null);
    }

    /// <summary>As <see cref="CheckAsync"/>, once the WAL is there or the time is over.</summary>
    internal static async Task<WalCheck> WaitAsync(Lineage lineage, BackupId id, BackupInfo info, TimeSpan limit, TimeProvider time, Action<SegmentName> waiting, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (await FindMissingAsync(lineage, info, cancellationToken) is { } missing && time.GetElapsedTime(start) < limit)
        {
            waiting(missing);
            await Task.Delay(PollInterval, time, cancellationToken);
        }
        return await CheckAsync(lineage, id, info, time, cancellationToken);
    }

    /// <summary>The segments from the backup's begin on, up to its end or the first that is missing.</summary>
    static async Task<(IReadOnlyList<SegmentName> Held, SegmentName? Missing)> FindHeldAsync(Lineage lineage, BackupInfo info, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        var timeline = info.TimelineId;
        IReadOnlyList<TimelineId>? descendants = null;
        var held = new List<SegmentName>();
        var last = size.NumberOf(new(info.EndLsn.Value - 1));
        for (var number = size.NumberOf(info.BeginLsn); number <= last; number++)
        {
            var name = SegmentName.Of(timeline, number, size);
            if (await lineage.Wal.HasSoundSegmentAsync(name, cancellationToken))
            {
                held.Add(name);
                continue;
            }
            // A segment in which the server was promoted is complete on the new timeline only, with the old one's WAL in it.
            descendants ??= await DescendantsAsync(lineage, timeline, info.EndLsn, cancellationToken);
            SegmentName? found = null;
            foreach (var descendant in descendants)
            {
                found ??= await lineage.Wal.HasSoundSegmentAsync(name with { Timeline = descendant }, cancellationToken) ? name with { Timeline = descendant } : null;
            }
            if (found is not { } other)
            {
                return (held, name);
            }
            held.Add(other);
        }
        return (held, null);
    }

    static async Task<string?> FindContradictionAsync(Lineage lineage, BackupInfo info, IReadOnlyList<SegmentName> held, CancellationToken cancellationToken)
    {
        if (held.Count == 0)
        {
            return null;
        }
        var size = lineage.Identity.SegmentSize;
        var parts = held.Select(name => new WalPart(new(name, WalPlace.Repository, size.Bytes, IsComplete: true, size.Bytes), size.Bytes)).ToList();
        var history = await lineage.Wal.GetHistoryAsync(held.Max(static n => n.Timeline), cancellationToken);
        return await new WalProof(lineage, null, history, parts).FindContradictionAsync(info, cancellationToken);
    }

    static async Task<IReadOnlyList<TimelineId>> DescendantsAsync(Lineage lineage, TimelineId timeline, Lsn end, CancellationToken cancellationToken)
    {
        // One whose history cannot be read is none that a restore could follow.
        var (histories, _) = await lineage.Wal.ReadHistoriesAsync(cancellationToken);
        return [.. histories.Values.Where(h => h.Timeline != timeline && h.Contains(timeline, end)).Select(static h => h.Timeline)];
    }
}
