namespace Barkeep.Wal;

/// <summary>A transaction that was committed.</summary>
/// <param name="Position">Where its commit record begins: <c>recovery_target_lsn</c> of this replays it and stops after it.</param>
/// <param name="End">Where that record ends.</param>
/// <param name="Xid">0 where it is not known.</param>
public readonly record struct CommitMoment(Lsn Position, Lsn End, TimestampTz Time, uint Xid);
