using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Barkeep.Wal;

/// <summary>Adds to moments what the records of a walk tell (docs/format.md, "Moments": the rules). All but a few kinds of records cost it nothing.</summary>
public readonly struct MomentCollector(Moments moments) : IRecordVisitor
{
    const int RelationSize = TransactionEnd.RelationSize;
    const int MaxSubtransactions = 1 << 16;

    // The files that have been made in this walk, and by whom; files of relations, of whole databases with relation 0.
    readonly Dictionary<(uint Tablespace, uint Database, uint Relation), uint> _made = [];

    public void Visit(in WalRecord record)
    {
        moments.Pass(record.Start);
        if (MayTell(record.Header))
        {
            Read(record);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static bool MayTell(in RecordHeader header) => header.Manager switch
    {
        ResourceManager.Transaction => TransactionEnd.IsOne(header),
        ResourceManager.Xlog => CheckpointMoment.IsOne(header) || header.Kind is RestorePointKind or EndOfRecovery,
        ResourceManager.Heap => (header.Info & 0x70) == HeapTruncate,
        ResourceManager.Storage or ResourceManager.Database => true,
        _ => false,
    };

    // pg_control.h and heapam_xlog.h
    const byte RestorePointKind = 0x70;
    const byte EndOfRecovery = 0x90;
    const byte HeapTruncate = 0x30;

    // What cannot be read tells nothing: its CRC is right, so it is no record of a PostgreSQL that is known here.
    void Read(in WalRecord record)
    {
        var nobody = default(NoBlocks);
        if (!BlockReferences.TryRead(record, ref nobody, out var data))
        {
            return;
        }
        switch (record.Header.Manager)
        {
            case ResourceManager.Transaction:
                ReadTransaction(record, data);
                break;
            case ResourceManager.Xlog:
                ReadXlog(record, data);
                break;
            case ResourceManager.Storage:
                ReadStorage(record, data);
                break;
            case ResourceManager.Database:
                ReadDatabase(record, data);
                break;
            default:
                ReadHeapTruncate(record, data);
                break;
        }
    }

    void ReadTransaction(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (!TransactionEnd.TryRead(record, data, out var end))
        {
            return;
        }
        moments.Add(end, record.Start, record.End);
        // What an aborted transaction drops it has made itself.
        if (end.IsCommit && !end.Relations.IsEmpty)
        {
            AddDrops(record, end);
        }
    }

    void AddDrops(in WalRecord record, in TransactionEnd end)
    {
        var xids = XidsOf(end);
        var kind = xids.Overlaps(moments.Creators) ? LossKind.Replaced : LossKind.Dropped;
        for (var relations = end.Relations; !relations.IsEmpty; relations = relations[RelationSize..])
        {
            var (tablespace, database, relation, _) = BlockReferences.RelationAt(relations);
            // What a transaction has made and dropped nobody misses.
            if (!_made.TryGetValue((tablespace, database, relation), out var maker) || !xids.Contains(maker))
            {
                moments.Add(new RelationLoss(record.Start, end.Time, end.Xid, kind, tablespace, database, relation, 0));
            }
        }
    }

    static HashSet<uint> XidsOf(in TransactionEnd end)
    {
        var xids = new HashSet<uint> { end.Xid };
        var all = end.Subtransactions;
        for (var rest = all[..Math.Min(all.Length, MaxSubtransactions * sizeof(uint))]; !rest.IsEmpty; rest = rest[sizeof(uint)..])
        {
            xids.Add(BinaryPrimitives.ReadUInt32LittleEndian(rest));
        }
        return xids;
    }

    void ReadXlog(in WalRecord record, ReadOnlySpan<byte> data)
    {
        switch (record.Header.Kind)
        {
            case RestorePointKind when data.Length >= sizeof(long):
                var name = data[sizeof(long)..];
                var end = name.IndexOf((byte)0);
                moments.Add(new RestorePoint(record.Start, TimestampTz.Read(data), Encoding.UTF8.GetString(name[..Math.Min(end < 0 ? name.Length : end, MaxName)])));
                break;
            case EndOfRecovery when data.Length >= 16:
                AddSwitch(record.Start, data[8..], TimestampTz.Read(data));
                break;
            default:
                ReadCheckpoint(record, data);
                break;
        }
    }

    const int MaxName = 64;

    void ReadCheckpoint(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (!CheckpointMoment.TryRead(record, data, out var checkpoint))
        {
            return;
        }
        moments.Add(checkpoint);
        if (checkpoint.IsShutdown)
        {
            AddSwitch(record.Start, data[8..], checkpoint.Time);
        }
    }

    void AddSwitch(Lsn start, ReadOnlySpan<byte> timelines, TimestampTz time)
    {
        var (to, from) = (BinaryPrimitives.ReadUInt32LittleEndian(timelines), BinaryPrimitives.ReadUInt32LittleEndian(timelines[4..]));
        if (to != from)
        {
            moments.Add(new TimelineSwitch(start, new(from), new(to), time));
        }
    }

    // storage_xlog.h
    void ReadStorage(in WalRecord record, ReadOnlySpan<byte> data)
    {
        const byte Create = 0x10;
        const byte Truncate = 0x20;
        const int MainFork = 1;
        if (record.Header.Kind == Create && data.Length >= RelationSize + 4)
        {
            var (tablespace, database, relation, _) = BlockReferences.RelationAt(data);
            var isMain = BinaryPrimitives.ReadUInt32LittleEndian(data[RelationSize..]) == (uint)ForkNumber.Main;
            if (isMain && record.Header.Xid != 0)
            {
                moments.AddCreator(record.Header.Xid);
                NoteMade(tablespace, database, relation, record.Header.Xid);
            }
        }
        else if (record.Header.Kind == Truncate && data.Length >= 4 + RelationSize + 4 && (data[4 + RelationSize] & MainFork) != 0)
        {
            var (tablespace, database, relation, _) = BlockReferences.RelationAt(data[4..]);
            var blocks = BinaryPrimitives.ReadUInt32LittleEndian(data);
            moments.Add(new RelationLoss(record.Start, LastTime, record.Header.Xid, LossKind.CutOff, tablespace, database, relation, blocks));
        }
    }

    // dbcommands_xlog.h: as BlockChangeCollector tells the kinds apart.
    void ReadDatabase(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (data.Length < 8)
        {
            return;
        }
        var database = BinaryPrimitives.ReadUInt32LittleEndian(data);
        if (record.Header.Kind != (record.MajorVersion < 15 ? 0x10 : 0x20))
        {
            NoteMade(BinaryPrimitives.ReadUInt32LittleEndian(data[4..]), database, 0, record.Header.Xid);
            return;
        }
        // A database that is dropped goes from all of its tablespaces at once; one that is moved stays where it has just been copied to.
        var tablespaces = MemoryMarshal.Cast<byte, uint>(data[8..]);
        var kind = LossKind.DatabaseDropped;
        foreach (var made in _made.Keys)
        {
            kind = made.Relation == 0 && made.Database == database && !tablespaces.Contains(made.Tablespace) ? LossKind.DatabaseMoved : kind;
        }
        foreach (var tablespace in tablespaces)
        {
            moments.Add(new RelationLoss(record.Start, LastTime, record.Header.Xid, kind, tablespace, database, 0, 0));
            _made.Remove((tablespace, database, 0));
        }
    }

    // heapam_xlog.h, xl_heap_truncate: database, number of relations, flags, then the relations.
    void ReadHeapTruncate(in WalRecord record, ReadOnlySpan<byte> data)
    {
        if (data.Length < 12)
        {
            return;
        }
        var database = BinaryPrimitives.ReadUInt32LittleEndian(data);
        var rest = data[12..];
        for (var count = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]); count > 0 && rest.Length >= sizeof(uint); count--, rest = rest[sizeof(uint)..])
        {
            moments.Add(new RelationLoss(record.Start, LastTime, record.Header.Xid, LossKind.Truncated, 0, database, BinaryPrimitives.ReadUInt32LittleEndian(rest), 0));
        }
    }

    // Bounded: what is made beyond it counts as made by others.
    void NoteMade(uint tablespace, uint database, uint relation, uint xid)
    {
        if (_made.Count < Moments.MaxLosses)
        {
            _made[(tablespace, database, relation)] = xid;
        }
    }

    TimestampTz? LastTime => moments.LastTime;
}
