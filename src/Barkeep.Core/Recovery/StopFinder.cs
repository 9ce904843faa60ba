using System.Runtime.InteropServices;
using System.Text;
using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>
/// Finds the record at which recovery stops, as recovery itself does (xlogrecovery.c, recoveryStopsBefore and recoveryStopsAfter):
/// it asks before and after each record, from the first one on that it replays.
/// </summary>
/// <param name="begin">Where replay begins.</param>
/// <param name="consistent">Where the cluster is consistent.</param>
sealed class StopFinder(RecoveryTarget target, Lsn begin, Lsn consistent)
{
    readonly TimestampTz _time = TimestampTz.From(target.Time);
    readonly byte[] _name = Encoding.UTF8.GetBytes(target.Name);

    /// <summary>Null until it is found.</summary>
    public RecoveryStop? Stop { get; private set; }

    /// <summary>The last commit before it, which it may be itself.</summary>
    public CommitMoment? LastCommit { get; set; }

    /// <summary>Whether a transaction that ended before replay begins ended later than the target.</summary>
    public bool HasLaterBefore { get; private set; }

    /// <summary>Of which transaction that ended the target is a subtransaction, at whose own end recovery does not stop; 0 where that is not known.</summary>
    public uint PartOf { get; private set; }

    /// <summary>Whether there may be the record in a stretch of WAL.</summary>
    /// <param name="end">Where the stretch ends.</param>
    public bool MayFindIn(MomentBounds bounds, Lsn end) => target.Kind switch
    {
        RecoveryTargetKind.Time => bounds.HasTransactions && IsBeyond(bounds.GreatestTime),
        RecoveryTargetKind.Xid => bounds.HasTransactions && (bounds.LeastXid == 0 || (bounds.LeastXid <= target.Xid && target.Xid <= bounds.GreatestXid)),
        RecoveryTargetKind.Lsn => bounds.LastRecord >= target.Lsn,
        RecoveryTargetKind.Name => bounds.RestorePoints > 0,
        _ => end >= consistent,
    };

    /// <summary>Looks at the next record.</summary>
    public void Look(in WalRecord record)
    {
        if (Stop is not null)
        {
            return;
        }
        var isEnd = TransactionEnd.IsOne(record.Header);
        if (!isEnd && (target.Kind is RecoveryTargetKind.Time or RecoveryTargetKind.Xid || record.Start < begin))
        {
            return;
        }
        var nobody = default(NoBlocks);
        ReadOnlySpan<byte> data = default;
        if (isEnd || target.Kind == RecoveryTargetKind.Name)
        {
            BlockReferences.TryRead(record, ref nobody, out data);
        }
        var end = default(TransactionEnd);
        isEnd = isEnd && TransactionEnd.TryRead(record, data, out end);
        if (record.Start < begin)
        {
            HasLaterBefore |= isEnd && target.Kind == RecoveryTargetKind.Time && IsBeyond(end.Time);
        }
        else
        {
            Stop = StopAt(record, data, isEnd, end);
        }
        if (isEnd && target.Kind == RecoveryTargetKind.Xid && MemoryMarshal.Cast<byte, uint>(end.Subtransactions).Contains(target.Xid))
        {
            PartOf = end.Xid;
        }
        if (isEnd && end.IsCommit && Stop is not { IsAfter: false })
        {
            LastCommit = new(record.Start, record.End, end.Time, end.Xid);
        }
    }

    RecoveryStop? StopAt(in WalRecord record, ReadOnlySpan<byte> data, bool isEnd, in TransactionEnd end)
    {
        var (stops, after) = target.Kind switch
        {
            RecoveryTargetKind.Time => (isEnd && IsBeyond(end.Time), false),
            RecoveryTargetKind.Xid => (isEnd && end.Xid == target.Xid, target.IsInclusive),
            RecoveryTargetKind.Lsn => (record.Start >= target.Lsn, target.IsInclusive),
            RecoveryTargetKind.Name => (IsNamed(record.Header, data), true),
            // Whether it is consistent is asked before a record, and after those of transactions only.
            _ => (record.Start >= consistent || (record.End >= consistent && record.Header.Manager == ResourceManager.Transaction), record.Start < consistent),
        };
        if (!stops)
        {
            return null;
        }
        TimestampTz? time = isEnd ? end.Time : target.Kind == RecoveryTargetKind.Name ? TimestampTz.Read(data) : null;
        return new(record.Start, record.End, after, time, isEnd ? end.Xid : 0);
    }

    bool IsNamed(in RecordHeader header, ReadOnlySpan<byte> data)
    {
        const byte RestorePointKind = 0x70;
        if (header.Manager != ResourceManager.Xlog || header.Kind != RestorePointKind || data.Length <= sizeof(long))
        {
            return false;
        }
        var name = data[sizeof(long)..];
        var length = name.IndexOf((byte)0);
        return name[..(length < 0 ? name.Length : length)].SequenceEqual(_name);
    }

    bool IsBeyond(TimestampTz time) => target.IsInclusive ? time > _time : time >= _time;
}
