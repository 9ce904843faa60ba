using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Barkeep.Wal;

/// <summary>
/// Adds to block changes what each record of a walk changes (docs/format.md, "Block changes": the rules). Of a record that it must
/// read and cannot it says that everything has changed.
/// </summary>
/// <param name="changes">What is added to.</param>
/// <param name="from">Records that begin before count for nothing.</param>
/// <param name="to">Nor do those that begin here or later.</param>
public readonly struct BlockChangeCollector(BlockChanges changes, Lsn from, Lsn to) : IRecordVisitor, IBlockVisitor
{
    const int RelationSize = TransactionEnd.RelationSize;

    /// <summary>Collects from every record.</summary>
    public BlockChangeCollector(BlockChanges changes)
        : this(changes, Lsn.Invalid, new(ulong.MaxValue))
    {
    }

    public void Visit(in WalRecord record)
    {
        if (record.Start < from || record.Start >= to)
        {
            return;
        }
        var visitor = this;
        if (!BlockReferences.TryRead(record, ref visitor, out var data)
            || (record.Header.Manager <= ResourceManager.Database && !ReadData(record, data)))
        {
            changes.AddEverything($"the WAL record of {record.Header.Manager} at {record.Start}, {record.Header.Length} bytes long, cannot be read");
        }
    }

    /// <summary>A block that a record refers to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Visit(in RelationFork fork, uint block) => changes.Add(fork, block);

    bool ReadData(in WalRecord record, ReadOnlySpan<byte> data) => record.Header.Manager switch
    {
        ResourceManager.Xlog => ReadWalLevel(record, data),
        ResourceManager.Transaction => ReadTransaction(record, data),
        ResourceManager.Storage => ReadStorage(record.Header.Kind, data),
        ResourceManager.Database => ReadDatabase(record, data),
        _ => true,
    };

    // pg_control.h, xl_parameter_change; since version 17 each checkpoint's redo record begins with the level too.
    bool ReadWalLevel(in WalRecord record, ReadOnlySpan<byte> data)
    {
        int at;
        switch (record.Header.Kind)
        {
            case 0x60:
                at = 5 * sizeof(int);
                break;
            case 0xE0:
                at = 0;
                break;
            default:
                return true;
        }
        if (data.Length < at + sizeof(int))
        {
            return false;
        }
        if (BinaryPrimitives.ReadInt32LittleEndian(data[at..]) == (int)WalLevel.Minimal)
        {
            changes.AddEverything($"the server ran with wal_level = minimal at {record.Start}");
        }
        return true;
    }

    bool ReadTransaction(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (!TransactionEnd.SaysMore(record.Header) || !TransactionEnd.IsOne(record.Header))
        {
            return true;
        }
        if (!TransactionEnd.TryRead(record, data, out var end))
        {
            return false;
        }
        for (var relations = end.Relations; !relations.IsEmpty; relations = relations[RelationSize..])
        {
            var main = BlockReferences.RelationAt(relations);
            changes.AddFrom(main, 0);
            changes.AddFrom(main with { Fork = ForkNumber.VisibilityMap }, 0);
            changes.AddFrom(main with { Fork = ForkNumber.Init }, 0);
        }
        return true;
    }

    // storage_xlog.h
    bool ReadStorage(byte kind, ReadOnlySpan<byte> data)
    {
        const byte Create = 0x10;
        const byte Truncate = 0x20;
        if (kind == Create && data.Length >= RelationSize + 4)
        {
            var fork = BinaryPrimitives.ReadUInt32LittleEndian(data[RelationSize..]);
            if (fork <= (uint)ForkNumber.Init)
            {
                changes.AddFrom(BlockReferences.RelationAt(data) with { Fork = (ForkNumber)fork }, 0);
            }
            return fork <= (uint)ForkNumber.Init;
        }
        if (kind == Truncate && data.Length >= 4 + RelationSize + 4)
        {
            const int Main = 1;
            const int VisibilityMap = 2;
            var main = BlockReferences.RelationAt(data[4..]);
            var flags = data[4 + RelationSize];
            if ((flags & Main) != 0)
            {
                changes.AddFrom(main, BinaryPrimitives.ReadUInt32LittleEndian(data));
            }
            if ((flags & VisibilityMap) != 0)
            {
                changes.AddFrom(main with { Fork = ForkNumber.VisibilityMap }, 0);
            }
            return true;
        }
        return false;
    }

    // dbcommands_xlog.h: 0x00 creates by copying files; since version 15 0x10 creates by WAL and 0x20 drops, before 0x10 dropped.
    bool ReadDatabase(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (data.Length < 8)
        {
            return false;
        }
        var database = BinaryPrimitives.ReadUInt32LittleEndian(data);
        var second = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
        var drop = record.MajorVersion < 15 ? 0x10 : 0x20;
        if (record.Header.Kind < drop)
        {
            changes.AddDatabase(second, database);
            return true;
        }
        if (record.Header.Kind > drop || data.Length < 8 + (4L * second))
        {
            return false;
        }
        for (var i = 0; i < second; i++)
        {
            changes.AddDatabase(BinaryPrimitives.ReadUInt32LittleEndian(data[(8 + (4 * i))..]), database);
        }
        return true;
    }
}
