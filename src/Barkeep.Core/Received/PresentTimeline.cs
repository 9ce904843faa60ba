using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// The timeline that a server is on, as far as is known here: one answer for whoever asks what leads to its present. The newest timeline of which there is WAL is none:
/// a server may be back on an older one, and WAL may come from a copy of it.
/// </summary>
public sealed class PresentTimeline
{
    readonly ReceivedWal _received;
    readonly BackupInfo? _newest;

    PresentTimeline(ReceivedWal received, TimelineId timeline, bool isHeard, BackupInfo? newest)
    {
        _received = received;
        _newest = newest;
        Timeline = timeline;
        IsHeard = isHeard;
    }

    public TimelineId Timeline { get; }

    /// <summary>Whether the server has said so to its receiver; otherwise it is inferred.</summary>
    public bool IsHeard { get; }

    /// <exception cref="BarkeepException">Damaged: what led to this timeline cannot be read, and nothing can be said of what leads there.</exception>
    public TimelineHistory History => _received.DamagedHistories.TryGetValue(Timeline, out var how)
        ? throw new BarkeepException(
            ErrorKind.Damaged,
            $"how the server came to timeline {Timeline} is not known: {how}",
            $"barman put-wal takes {Timeline.HistoryFileName} from the pg_wal of any server that has it; --target-tli names the timeline to restore along without it")
        : _received.HistoryOf(Timeline);

    /// <summary>
    /// What the receiver has heard last. Where that is not known, the newest timeline to which the newest backup leads: that was taken of the server itself, while WAL
    /// can come from anywhere. Where there is no backup either, the newest of which there is WAL.
    /// </summary>
    /// <param name="backups">All of the cluster, oldest first.</param>
    /// <param name="receiver">What a receiver of this cluster said last, whether it runs or not; null when it has said nothing, or that is lost.</param>
    public static PresentTimeline Of(ReceivedWal received, IReadOnlyList<BackupRecord> backups, ReceiverState? receiver)
    {
        if (receiver?.ServerTimeline is { } heard)
        {
            return new(received, heard, isHeard: true, null);
        }
        return backups.LastOrDefault(static b => b.Info is not null)?.Info is { } newest
            ? new(received, Choose(received, newest, null)?.History.Timeline ?? newest.TimelineId, isHeard: false, newest)
            : new(received, received.NewestTimeline, isHeard: false, null);
    }

    /// <summary>The WAL from a backup towards this timeline, as far as it leads; where the backup is on no way there, as PostgreSQL would go on from it.</summary>
    /// <returns>Null when no known history holds the backup.</returns>
    public WalRoute? RouteFrom(BackupInfo backup)
    {
        if (History.Contains(backup.TimelineId, backup.EndLsn))
        {
            foreach (var timeline in History.Ancestors.Select(static a => a.Timeline).Append(Timeline).Reverse())
            {
                if (Choose(_received, backup, timeline) is { IsOnItsTimeline: true } route)
                {
                    return route;
                }
            }
        }
        return Choose(_received, backup, null);
    }

    /// <summary>Whether a route goes where the server has not gone, or ends although the WAL on the way to the server's present goes on.</summary>
    public bool IsLeftBy(WalRoute route) =>
        route.History.Timeline != Timeline
        && !(History.Contains(route.History.Timeline, route.ReceivedEnd) && MissingWal.Find(_received, History, route.Missing.Number(_received.SegmentSize)) is null);

    /// <summary>That WAL of a newer timeline is here which a route does not follow, and why, for people; null when there is none.</summary>
    public string? RemarkOn(WalRoute route)
    {
        var newest = _received.NewestTimeline;
        if (newest <= Timeline || newest == route.History.Timeline)
        {
            return null;
        }
        return IsHeard
            ? $"timeline {newest} is newer, and is not followed: the server is on timeline {Timeline}, as its receiver has last heard; --target-tli {newest} restores the other"
            : $"WHICH TIMELINE THE SERVER IS ON IS NOT KNOWN, for there is no word of its receiver here: timeline {Timeline} is followed, because the newest backup, {_newest!.Id}, leads to it and not to timeline {newest}, which is newer; --target-tli {newest} restores the other";
    }

    static WalRoute? Choose(ReceivedWal received, BackupInfo backup, TimelineId? wanted) =>
        WalRoute.Choose(received, backup.TimelineId, backup.BeginLsn, backup.EndLsn, wanted);
}
