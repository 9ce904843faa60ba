using Barkeep.Recovery;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Where recovery will stop, found before a byte of WAL is replayed.</summary>
/// <param name="Stop">The record at which it does.</param>
/// <param name="LastCommit">The last transaction whose changes are there; null when none was committed since the backup's begin.</param>
/// <param name="Equivalent">What PostgreSQL is told instead of the target, where nothing in the WAL would tell it that it is reached; null where it sees it.</param>
public sealed record PlannedStop(RecoveryStop Stop, CommitMoment? LastCommit, RecoveryTarget? Equivalent)
{
    /// <summary>Up to here everything is replayed.</summary>
    public Lsn Reached => Stop.Reached;

    public override string ToString()
    {
        var time = Stop.Time?.Print(TimeZoneInfo.Local);
        var what = Stop.Xid != 0 ? $"transaction {Stop.Xid}, which ended at {time}," : time is not null ? $"the record of {time}" : "the record";
        return $"{(Stop.IsAfter ? "right after" : "before")} {what} at {Stop.Position}";
    }
}
