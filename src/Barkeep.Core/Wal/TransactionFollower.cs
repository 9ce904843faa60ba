using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Barkeep.Wal;

/// <summary>Follows through a walk which transactions have not ended, and what they have done that a server which stops there would feel.</summary>
public readonly struct TransactionFollower(OpenTransactions open) : IRecordVisitor
{
    // The last time that each row of a shared catalog was changed in place. Only rows of pg_database are.
    readonly Dictionary<(uint Relation, uint Block, ushort Row), Lsn> _marks = [];

    public void Visit(in WalRecord record)
    {
        if (record.Start >= open.Until)
        {
            Pass(record);
            return;
        }
        var xid = record.Header.Xid;
        var transaction = xid == 0 ? null : open.Note(xid, record.Start);
        switch (record.Header.Manager)
        {
            case ResourceManager.Transaction when TransactionEnd.IsOne(record.Header):
                if (TryReadEnd(record, out var end))
                {
                    open.End(end);
                }
                break;
            case ResourceManager.Transaction when TransactionPreparation.IsOne(record.Header):
                ReadPreparation(record);
                break;
            case ResourceManager.Standby:
                ReadStandby(record);
                break;
            case ResourceManager.Heap when (record.Header.Info & HeapMask) is HeapInPlace or HeapDelete:
                ReadHeap(record, transaction);
                break;
            case ResourceManager.Storage when transaction is not null:
                ReadStorage(record, transaction);
                break;
            case ResourceManager.Database when transaction is not null:
                ReadDatabase(record, transaction);
                break;
            case ResourceManager.Xlog when record.Header.Kind is CheckpointShutdown or EndOfRecovery:
                open.EndAllUnprepared();
                break;
            default:
                break;
        }
    }

    // pg_control.h, heapam_xlog.h
    const byte CheckpointShutdown = 0x00;
    const byte EndOfRecovery = 0x90;
    const byte HeapMask = 0x70;
    const byte HeapDelete = 0x10;
    const byte HeapInPlace = 0x70;

    const uint SharedTablespace = 1664;

    // Between a database's mark and the deletion of its row there is a flush, during which others write.
    const long MaxBehindMark = 16 << 20;

    void Pass(in WalRecord record)
    {
        if (record.Start == open.Until && TransactionEnd.IsOne(record.Header) && TryReadEnd(record, out var end))
        {
            open.EndAtStop(end);
        }
        if (open.HasPassed)
        {
            return;
        }
        if (_marks.Count > 0 && record.Header.Manager == ResourceManager.Heap && (record.Header.Info & HeapMask) is HeapInPlace or HeapDelete)
        {
            ReadHeapBehind(record);
        }
        var start = record.Start;
        open.HasPassed = !_marks.Values.Any(m => start - m <= MaxBehindMark);
    }

    static bool TryReadEnd(in WalRecord record, out TransactionEnd end)
    {
        var nobody = default(NoBlocks);
        end = default;
        return BlockReferences.TryRead(record, ref nobody, out var data) && TransactionEnd.TryRead(record, data, out end);
    }

    void ReadPreparation(in WalRecord record)
    {
        var nobody = default(NoBlocks);
        if (BlockReferences.TryRead(record, ref nobody, out var data) && TransactionPreparation.TryRead(record, data, out var preparation))
        {
            open.Prepare(preparation.Xid, preparation.Name, MemoryMarshal.Cast<byte, uint>(preparation.Subtransactions));
        }
    }

    // standbydefs.h, xl_standby_locks and xl_running_xacts
    void ReadStandby(in WalRecord record)
    {
        const byte Locks = 0x00;
        const byte RunningTransactions = 0x10;
        const int HeaderSize = 24;
        var nobody = default(NoBlocks);
        if (!BlockReferences.TryRead(record, ref nobody, out var data) || data.Length < sizeof(int))
        {
            return;
        }
        if (record.Header.Kind == Locks)
        {
            var numbers = MemoryMarshal.Cast<byte, uint>(data[sizeof(int)..]);
            for (; numbers.Length >= 3; numbers = numbers[3..])
            {
                open.NoteLock(numbers[0], new(numbers[1], numbers[2]), record.Start);
            }
        }
        else if (record.Header.Kind == RunningTransactions && data.Length >= HeaderSize)
        {
            var count = (long)BinaryPrimitives.ReadUInt32LittleEndian(data) + BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            var xids = MemoryMarshal.Cast<byte, uint>(data[HeaderSize..]);
            // A list that is longer than what a walk keeps of a record tells nothing.
            if (xids.Length >= count)
            {
                open.NoteRunning(xids[..(int)count].ToArray());
            }
        }
    }

    // DROP DATABASE marks the row of the database in place, which no rollback takes back, then deletes that row (dbcommands.c, dropdb).
    void ReadHeap(in WalRecord record, OpenTransaction? transaction)
    {
        if (!TryReadRow(record, out var row, out var isDelete))
        {
            return;
        }
        if (!isDelete)
        {
            _marks[row] = record.Start;
        }
        else if (transaction is not null && _marks.Remove(row, out var marked))
        {
            transaction.MarkDatabase(marked);
        }
    }

    // What the marks before the stop were for: that a row is deleted behind it, or is marked once more, which VACUUM does too.
    void ReadHeapBehind(in WalRecord record)
    {
        if (TryReadRow(record, out var row, out var isDelete) && _marks.Remove(row, out var marked) && isDelete && record.Start - marked <= MaxBehindMark)
        {
            open.Note(record.Header.Xid, marked).MarkDatabase(marked);
        }
    }

    bool TryReadRow(in WalRecord record, out (uint Relation, uint Block, ushort Row) row, out bool isDelete)
    {
        const int RowOfDelete = 4;
        row = default;
        isDelete = (record.Header.Info & HeapMask) == HeapDelete;
        if (isDelete && _marks.Count == 0)
        {
            return false;
        }
        var block = default(FirstBlock);
        var at = isDelete ? RowOfDelete : 0;
        if (!BlockReferences.TryRead(record, ref block, out var data) || data.Length < at + sizeof(ushort) || block.Fork.Tablespace != SharedTablespace)
        {
            return false;
        }
        row = (block.Fork.Relation, block.Number, BinaryPrimitives.ReadUInt16LittleEndian(data[at..]));
        return true;
    }

    // storage_xlog.h, xl_smgr_create
    static void ReadStorage(in WalRecord record, OpenTransaction transaction)
    {
        const byte Create = 0x10;
        var nobody = default(NoBlocks);
        if (record.Header.Kind == Create && BlockReferences.TryRead(record, ref nobody, out var data) && data.Length >= TransactionEnd.RelationSize)
        {
            transaction.Make(BlockReferences.RelationAt(data).Relation);
        }
    }

    // dbcommands_xlog.h, as MomentCollector tells them apart.
    static void ReadDatabase(in WalRecord record, OpenTransaction transaction)
    {
        var nobody = default(NoBlocks);
        if (record.Header.Kind == (record.MajorVersion < 15 ? 0x10 : 0x20) && BlockReferences.TryRead(record, ref nobody, out var data) && data.Length >= sizeof(uint))
        {
            transaction.RemoveDatabase(BinaryPrimitives.ReadUInt32LittleEndian(data));
        }
    }

    /// <summary>The first block that a record refers to.</summary>
    struct FirstBlock : IBlockVisitor
    {
        bool _isKnown;

        public RelationFork Fork { get; private set; }

        public uint Number { get; private set; }

        public void Visit(in RelationFork fork, uint block)
        {
            if (!_isKnown)
            {
                (_isKnown, Fork, Number) = (true, fork, block);
            }
        }
    }
}
