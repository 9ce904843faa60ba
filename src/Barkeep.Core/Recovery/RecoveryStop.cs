using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>The record at which recovery stops.</summary>
/// <param name="Position">Where it begins.</param>
/// <param name="End">Where it ends. Recovery needs the WAL up to here, also when it stops before the record.</param>
/// <param name="IsAfter">Whether it is replayed.</param>
/// <param name="Time">Of the transaction's end or the restore point that it is; null for other records.</param>
/// <param name="Xid">Of the transaction that it ends; 0 for other records.</param>
public readonly record struct RecoveryStop(Lsn Position, Lsn End, bool IsAfter, TimestampTz? Time, uint Xid)
{
    /// <summary>Up to here everything is replayed.</summary>
    public Lsn Reached => IsAfter ? End : Position;
}
