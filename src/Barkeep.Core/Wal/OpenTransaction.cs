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

    /// <summary>The name under which it is prepared: whatever opens the server, it stays until COMMIT PREPARED or ROLLBACK PREPARED. Null when it is not.</summary>
    public string? PreparedAs { get; internal set; }

    /// <summary>The statements that end it when it is prepared, in a line for people; null when it is not.</summary>
    public string? WaysToEnd => PreparedAs is { } name ? $"COMMIT PREPARED {Quoted(name)} or ROLLBACK PREPARED {Quoted(name)}" : null;

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

    static string Quoted(string name) => $"'{string.Concat(name.Replace("'", "''", StringComparison.Ordinal).Select(static c => char.IsControl(c) ? '?' : c))}'";

    internal void BeginBy(Lsn at) => Begin = Lsn.Min(Begin, at);
}
