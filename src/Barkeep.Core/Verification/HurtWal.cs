using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Verification;

/// <summary>WAL over which no replay gets.</summary>
/// <param name="Segment">Where it is.</param>
/// <param name="How">What is wrong with it, in a line for people.</param>
/// <param name="From">The first position that is lost.</param>
sealed record HurtWal(ReceivedSegment Segment, string How, ErrorKind Kind, Lsn From)
{
    /// <summary>Whether the repository has an object of which that can be written down.</summary>
    public bool CanBeMarked => Kind != ErrorKind.ObjectMissing && Segment.Place != WalPlace.Spool;

    public Damage ToDamage(ReceivedWal received, IReadOnlyList<TimelineHistory> histories, IEnumerable<BackupInfo> backups)
    {
        var touched = backups.Where(b => histories.Any(h => Touches(received, h, b))).ToList();
        var restorable = touched.Any(b => b.EndLsn <= From);
        var what = $"WAL segment {Segment.Name}{(Segment.Place switch { WalPlace.Spool => " in the spool", WalPlace.Partial => ".partial", _ => "" })}";
        var meaning = touched.Count == 0 ? "" : restorable ? $"; no restore gets past {From}" : "; they cannot be restored";
        return new(what, How + meaning, Kind, [.. touched.Select(static b => b.Id)], [], 0);
    }

    // Whether a restore of the backup along the history meets the segment.
    bool Touches(ReceivedWal received, TimelineHistory history, BackupInfo backup) =>
        backup.BeginLsn < Segment.Name.End(received.SegmentSize)
        && history.Contains(backup.TimelineId, backup.EndLsn)
        && WalRoute.Find(received, history, Segment.Name.Number(received.SegmentSize))?.Segment == Segment;
}
