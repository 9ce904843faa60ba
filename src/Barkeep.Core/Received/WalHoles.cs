using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>What is missing on the ways that recovery takes through the received WAL. Opens none of it, and is made for a thousand backups at once.</summary>
public sealed class WalHoles(ReceivedWal received)
{
    readonly Dictionary<TimelineId, Way> _ways = [];

    /// <summary>What recovery from each backup comes to first on each timeline that it could follow, the newest first; without those that come to nothing.</summary>
    /// <remarks>A backup that is kept by itself is not rolled forward, unless it is the newest that is complete: the WAL after it may be gone.</remarks>
    /// <param name="backups">All of the cluster, oldest first.</param>
    public IReadOnlyDictionary<BackupId, IReadOnlyList<MissingWal>> Of(IReadOnlyList<BackupRecord> backups)
    {
        var newest = backups.LastOrDefault(static b => b.State == BackupState.Done);
        var found = new Dictionary<BackupId, IReadOnlyList<MissingWal>>();
        foreach (var backup in backups)
        {
            if (backup.Info is not { } info)
            {
                continue;
            }
            // Timelines share what lies before their fork.
            var missing = Histories(info).Select(h => After(h, info)).OfType<MissingWal>().Where(m => MayRoll(backup, newest) || m.From < info.EndLsn).Distinct().ToList();
            if (missing.Count > 0)
            {
                found.Add(backup.Id, missing);
            }
        }
        return found;
    }

    /// <summary>The newest backup from which recovery can go on to the end of a timeline's WAL, as far as it was received; null when there is none.</summary>
    /// <param name="isToCome">Whether what is missing counts as there.</param>
    public BackupRecord? NewestLeadingTo(TimelineId timeline, IReadOnlyList<BackupRecord> backups, Func<MissingWal, bool> isToCome)
    {
        var newest = backups.LastOrDefault(static b => b.State == BackupState.Done);
        var history = received.HistoryOf(timeline);
        // Backwards: mostly the last one does.
        return backups.LastOrDefault(b => b.Info is { } info && MayRoll(b, newest) && history.Contains(info.TimelineId, info.EndLsn) && (After(history, info) is not { } missing || isToCome(missing)));
    }

    /// <summary>What is still missing of a gap that was recorded; null when it has been filled since.</summary>
    public MissingWal? LeftOf(Gap gap) =>
        WayOf(received.HistoryOf(gap.Timeline)).After(received.SegmentSize.NumberOf(gap.From)) is { } missing && missing.From < gap.To ? missing : null;

    /// <summary>Whether the WAL after a backup has to be here: not after one that is kept by itself, unless it is the newest that is complete.</summary>
    /// <param name="backups">All of the cluster, oldest first.</param>
    public static bool MayRoll(BackupRecord backup, IReadOnlyList<BackupRecord> backups) => MayRoll(backup, backups.LastOrDefault(static b => b.State == BackupState.Done));

    static bool MayRoll(BackupRecord backup, BackupRecord? newest) => backup.Keep != KeepTarget.Standalone || newest is null || backup.Id >= newest.Id;

    IEnumerable<TimelineHistory> Histories(BackupInfo backup)
    {
        var own = backup.TimelineId;
        return received.Histories.Keys.Append(own).Distinct().OrderDescending().Select(received.HistoryOf).Where(h => h.Contains(own, backup.EndLsn));
    }

    MissingWal? After(TimelineHistory history, BackupInfo backup) => WayOf(history).After(received.SegmentSize.NumberOf(backup.BeginLsn));

    Way WayOf(TimelineHistory history)
    {
        if (!_ways.TryGetValue(history.Timeline, out var way))
        {
            _ways.Add(history.Timeline, way = new(received, history));
        }
        return way;
    }

    /// <summary>The WAL of one history: stretches of segments that follow one another.</summary>
    sealed class Way
    {
        readonly ReceivedWal _received;
        readonly TimelineHistory _history;
        readonly List<ulong> _firsts = [];
        // Of each stretch the first segment that is not there to its end.
        readonly List<ulong> _ends = [];
        readonly Dictionary<ulong, MissingWal?> _found = [];

        public Way(ReceivedWal received, TimelineHistory history)
        {
            (_received, _history) = (received, history);
            foreach (var number in received.NumbersOf(history))
            {
                if (WalRoute.Find(received, history, number) is not { } part)
                {
                    continue;
                }
                if (_ends.Count == 0 || _ends[^1] != number)
                {
                    _firsts.Add(number);
                    _ends.Add(number);
                }
                if (part.IsWhole(received.SegmentSize))
                {
                    _ends[^1] = number + 1;
                }
            }
        }

        public MissingWal? After(ulong number)
        {
            var at = _firsts.BinarySearch(number);
            at = at < 0 ? ~at - 1 : at;
            var stop = at >= 0 ? Math.Max(number, _ends[at]) : number;
            if (!_found.TryGetValue(stop, out var missing))
            {
                _found.Add(stop, missing = MissingWal.Find(_received, _history, stop));
            }
            return missing;
        }
    }
}
