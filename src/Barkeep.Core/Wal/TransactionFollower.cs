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

    void Pass(in WalRecord record)
    {
        open.HasPassed = true;
        if (record.Start == open.Until && TransactionEnd.IsOne(record.Header) && TryReadEnd(record, out var end))
        {
            open.EndAtStop(end);
        }
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
            open.Prepare(preparation.Xid, MemoryMarshal.Cast<byte, uint>(preparation.Subtransactions));
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
        const int RowOfDelete = 4;
        var isDelete = (record.Header.Info & HeapMask) == HeapDelete;
        if (isDelete && (_marks.Count == 0 || transaction is null))
        {
            return;
        }
        var block = default(FirstBlock);
        var at = isDelete ? RowOfDelete : 0;
        if (!BlockReferences.TryRead(record, ref block, out var data) || data.Length < at + sizeof(ushort) || block.Fork.Tablespace != SharedTablespace)
        {
            return;
        }
        var row = (block.Fork.Relation, block.Number, BinaryPrimitives.ReadUInt16LittleEndian(data[at..]));
        if (!isDelete)
        {
            _marks[row] = record.Start;
        }
        else if (_marks.TryGetValue(row, out var marked))
        {
            transaction!.MarkDatabase(marked);
        }
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
