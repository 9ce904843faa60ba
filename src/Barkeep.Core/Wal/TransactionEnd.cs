using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>A record that ends a transaction: commit or abort, of a prepared one too (xact.h). It lives as long as the record.</summary>
public readonly ref struct TransactionEnd
{
    const int HasDatabase = 1;
    const int HasSubtransactions = 2;
    const int HasRelations = 4;
    const int HasInvalidations = 8;
    const int HasDroppedStatistics = 256;

    const byte Commit = 0x00;
    const byte Abort = 0x20;
    const byte CommitPrepared = 0x30;
    const byte AbortPrepared = 0x40;
    const byte HasInfo = 0x80;

    /// <summary>The size of one of <see cref="Relations"/> in bytes.</summary>
    public const int RelationSize = 12;

    public bool IsCommit { get; private init; }

    public TimestampTz Time { get; private init; }

    /// <summary>The transaction's; of a prepared one, not that of whoever ended it. 0 when the record is too long to be seen whole.</summary>
    public uint Xid { get; private init; }

    /// <summary>The xids of its subtransactions, 4 bytes each.</summary>
    public ReadOnlySpan<byte> Subtransactions { get; private init; }

    /// <summary>The relations whose files end with it: tablespace, database and file number of each.</summary>
    public ReadOnlySpan<byte> Relations { get; private init; }

    public static bool IsOne(in RecordHeader header) =>
        header.Manager == ResourceManager.Transaction && (header.Info & 0x70) is Commit or Abort or CommitPrepared or AbortPrepared;

    /// <summary>Whether such a record says more than the time.</summary>
    public static bool SaysMore(in RecordHeader header) => (header.Info & HasInfo) != 0;

    /// <param name="record">One that <see cref="IsOne"/>.</param>
    /// <param name="data">The record's own data, as <see cref="BlockReferences"/> finds it.</param>
    /// <returns>False when it is not laid out as PostgreSQL does, or the relations are beyond what is kept of a record.</returns>
    public static bool TryRead(scoped in WalRecord record, ReadOnlySpan<byte> data, out TransactionEnd end)
    {
        end = default;
        if (data.Length < sizeof(long))
        {
            return false;
        }
        var kind = record.Header.Info & 0x70;
        var isPrepared = kind is CommitPrepared or AbortPrepared;
        var time = TimestampTz.Read(data);
        var rest = data[sizeof(long)..];
        var has = 0U;
        if (SaysMore(record.Header) && !TryTakeNumber(ref rest, out has))
        {
            return false;
        }
        ReadOnlySpan<byte> subtransactions = default, relations = default;
        if (((has & HasDatabase) != 0 && !TryTake(ref rest, 8, out _))
            || ((has & HasSubtransactions) != 0 && !TryTakeCounted(ref rest, sizeof(uint), out subtransactions))
            || ((has & HasRelations) != 0 && !TryTakeCounted(ref rest, RelationSize, out relations)))
        {
            return false;
        }
        end = new()
        {
            IsCommit = kind is Commit or CommitPrepared,
            Time = time,
            Xid = isPrepared ? ReadPreparedXid(rest, has, record.MajorVersion) : record.Header.Xid,
            Subtransactions = subtransactions,
            Relations = relations,
        };
        return true;
    }

    static uint ReadPreparedXid(ReadOnlySpan<byte> rest, uint has, int version)
    {
        // Version 18 widened the object's number to 8 bytes.
        var statisticsSize = version < 18 ? 12 : 16;
        const int InvalidationSize = 16;
        return ((has & HasDroppedStatistics) != 0 && !TryTakeCounted(ref rest, statisticsSize, out _))
            || ((has & HasInvalidations) != 0 && !TryTakeCounted(ref rest, InvalidationSize, out _))
            || !TryTakeNumber(ref rest, out var xid) ? 0 : xid;
    }

    static bool TryTakeCounted(scoped ref ReadOnlySpan<byte> rest, int size, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        return TryTakeNumber(ref rest, out var count) && TryTake(ref rest, count * (long)size, out taken);
    }

    static bool TryTakeNumber(scoped ref ReadOnlySpan<byte> rest, out uint number)
    {
        number = 0;
        if (!TryTake(ref rest, sizeof(uint), out var bytes))
        {
            return false;
        }
        number = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        return true;
    }

    static bool TryTake(scoped ref ReadOnlySpan<byte> rest, long length, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (rest.Length < length)
        {
            return false;
        }
        taken = rest[..(int)length];
        rest = rest[(int)length..];
        return true;
    }
}
