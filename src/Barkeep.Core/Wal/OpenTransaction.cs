namespace Barkeep.Wal;

/// <summary>A transaction, or subtransaction, that has not ended at some point of the WAL.</summary>
public sealed class OpenTransaction(uint xid, Lsn begin)
{
    readonly HashSet<LockedRelation> _locks = [];
    readonly HashSet<uint> _made = [];

    public uint Xid => xid;

    /// <summary>Where its first record begins that the walk has seen, or where a database was marked before that it drops.</summary>
    public Lsn Begin { get; private set; } = begin;

    /// <summary>What it holds locked.</summary>
    public IReadOnlyCollection<LockedRelation> Locks => _locks;

    /// <summary>Whether it is dropping a database, which from there on nobody can connect to: that is marked, and its files removed, before the commit.</summary>
    public bool IsDroppingDatabase { get; private set; }

    /// <summary>The database whose files it has removed; 0 while it has not.</summary>
    public uint DroppedDatabase { get; private set; }

    /// <summary>Whether it has made a file of that number, which is that of a new relation too: nobody else has seen it.</summary>
    internal bool HasMade(uint file) => _made.Contains(file);

    internal void Make(uint file) => _made.Add(file);

    internal void Lock(LockedRelation relation) => _locks.Add(relation);

    internal void MarkDatabase(Lsn at)
    {
        IsDroppingDatabase = true;
        BeginBy(at);
    }

    internal void RemoveDatabase(uint database)
    {
        IsDroppingDatabase = true;
        DroppedDatabase = database;
    }

    internal void BeginBy(Lsn at) => Begin = Lsn.Min(Begin, at);
}
