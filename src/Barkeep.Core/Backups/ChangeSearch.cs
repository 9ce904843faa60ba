using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>Finds out what has changed since the earlier backup, or why that cannot be known and everything must be read.</summary>
sealed class ChangeSearch(ServerConfig server, Locations locations, Lineage lineage, TimeProvider time)
{
    /// <summary>How long a receiver may go without receiving anything.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long a receiver that is far behind, but receives, is waited for. Reading everything takes long, too.</summary>
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2);
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(100);

    readonly WalSpool _spool = WalSpool.Of(lineage, server.Name, locations);

    /// <summary>What has changed from the earlier backup's begin to this one's.</summary>
    /// <param name="earlier">Null when there is none.</param>
    /// <param name="timeline">The server's, at the begin.</param>
    /// <param name="present">The server's last checkpoint, at the begin or after it.</param>
    /// <param name="waiting">Is told, once, that WAL is being waited for.</param>
    /// <returns>The changes, or the reason, in a line, for which everything must be read.</returns>
    /// <exception cref="BarkeepException">WalDiverged: the server has written other WAL than what was received, which will not do for this backup.</exception>
    public async Task<(BlockChanges? Changes, string? Reason)> FindAsync(
        EarlierBackup? earlier, ServerFacts facts, TimelineId timeline, Lsn begin, CheckpointMark present, BackupOptions options, Action waiting, CancellationToken cancellationToken)
    {
        if (WhyNot(earlier, facts, options) is { } reason)
        {
            // WAL that has yet to come tells at the end.
            var received = await ReceivedWal.ListAsync(lineage.Wal, _spool, cancellationToken, withDamaged: true);
            if (received.Histories.ContainsKey(timeline) || timeline == TimelineId.First)
            {
                await FindDoubtAsync(received, received.HistoryOf(timeline), present, cancellationToken);
            }
            return (null, reason);
        }
        var found = await CollectAsync(earlier!.Info, timeline, begin, present, waiting, cancellationToken);
        if (!facts.DataChecksums || earlier!.Info.TimelineId != timeline)
        {
            // Without checksums they change without WAL; a standby that was promoted has its own.
            found.Changes?.DoubtFreeSpaceMaps();
        }
        return found.Changes switch
        {
            null => (null, found.Obstacle),
            { Everything: { } everything } => (null, everything),
            _ => (found.Changes, null),
        };
    }

    static string? WhyNot(EarlierBackup? earlier, ServerFacts facts, BackupOptions options) => earlier switch
    {
        _ when options.Full => "a full backup was asked for",
        null => "there is no earlier backup to build on",
        _ when earlier.Doubt is { } failed => $"not all of the WAL received since backup {earlier.Info.BackupId} is the server's, as backup {failed} has found",
        _ when earlier.HurtPack is { } pack => $"pack {pack}, which backup {earlier.Info.BackupId} needs, is damaged or missing",
        _ when earlier.HasUnlistedDamage => $"backup {earlier.Info.BackupId} has more damaged pages than it lists",
        // pg_checksums writes every page anew without WAL.
        _ when earlier.Info.DataChecksums != facts.DataChecksums => $"data checksums have been switched {(facts.DataChecksums ? "on" : "off")} since backup {earlier.Info.BackupId}",
        _ => null,
    };

    async Task<(BlockChanges? Changes, string? Obstacle)> CollectAsync(BackupInfo earlier, TimelineId timeline, Lsn begin, CheckpointMark present, Action waiting, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var progressAt = start;
        var pause = FirstPause;
        (SegmentName, long)? last = null;
        while (true)
        {
            var isReceiving = DutyLock.IsHeld(locations.ReceiverLock(server.Name));
            var newest = Newest();
            var found = HasArrived(begin, newest) || !isReceiving || pause == LongestPause
                ? await TryCollectAsync(earlier, timeline, begin, present, cancellationToken)
                : (Changes: null, Obstacle: null, IsYetToCome: true);
            if (!found.IsYetToCome)
            {
                return (found.Changes, found.Obstacle);
            }
            if (newest != last)
            {
                (last, progressAt) = (newest, time.GetTimestamp());
            }
            if (!isReceiving)
            {
                return (null, $"{found.Obstacle}, and no receive-wal of server {server.Name} is running");
            }
            if (time.GetElapsedTime(progressAt) >= Patience || time.GetElapsedTime(start) >= LongestWait)
            {
                return (null, $"{found.Obstacle ?? $"the WAL up to {begin} has not been received"}, after {time.GetElapsedTime(start).TotalSeconds:0} s of waiting");
            }
            if (pause == LongestPause)
            {
                waiting();
            }
            await Task.Delay(pause, time, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    async Task<(BlockChanges? Changes, string? Obstacle, bool IsYetToCome)> TryCollectAsync(
        BackupInfo earlier, TimelineId timeline, Lsn begin, CheckpointMark present, CancellationToken cancellationToken)
    {
        // What a segment has changed was noted when it was sound.
        var received = await ReceivedWal.ListAsync(lineage.Wal, _spool, cancellationToken, withDamaged: true);
        var from = earlier.TimelineId;
        if (!received.Histories.TryGetValue(timeline, out var history))
        {
            if (timeline != from)
            {
                return received.DamagedHistories.TryGetValue(timeline, out var how)
                    ? (null, how, false)
                    : (null, $"the history of timeline {timeline} has not been received", true);
            }
            history = TimelineHistory.Initial(timeline);
        }
        if (!history.Contains(from, earlier.EndLsn))
        {
            return (null, $"timeline {timeline} does not descend from backup {earlier.BackupId}, which ended at {earlier.EndLsn} on timeline {from}", false);
        }
        var changes = await FindDoubtAsync(received, history, present, cancellationToken)
            ?? await ReceivedChanges.CollectAsync(lineage, _spool, received, history, earlier.BeginLsn, begin, cancellationToken);
        return (changes.Changes, changes.Obstacle, changes.IsYetToCome);
    }

    async Task<ReceivedChanges?> FindDoubtAsync(ReceivedWal received, TimelineHistory history, CheckpointMark present, CancellationToken cancellationToken)
    {
        var doubt = await ReceivedChanges.FindDoubtAsync(lineage, _spool, received, history, present, cancellationToken);
        return doubt is { IsDiverged: true }
            ? throw new BarkeepException(ErrorKind.WalDiverged, $"nothing is read, since it could not be restored: {doubt.Obstacle}", "barman check says what to do")
            : doubt;
    }

    (SegmentName Name, long Length)? Newest() => _spool.List() is { Count: > 0 } list ? list.MaxBy(s => (s.Name.Start(_spool.SegmentSize), s.Name.Timeline)) : null;

    // A hint that saves the listing of all WAL. A spool is empty when all that was in it is in the repository.
    bool HasArrived(Lsn begin, (SegmentName Name, long Length)? newest) =>
        newest is not { } tail || tail.Name.Start(_spool.SegmentSize) + tail.Length >= _spool.SegmentSize.StartOf(_spool.SegmentSize.NumberOf(begin));
}
