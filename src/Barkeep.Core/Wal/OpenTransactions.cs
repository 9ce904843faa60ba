using System.Runtime.InteropServices;

namespace Barkeep.Wal;

/// <summary>
/// The transactions that have not ended where replay of some WAL stops, as a <see cref="TransactionFollower"/> has seen them: where each began, and what
/// a server that pauses there could not read. Not safe for use by several threads.
/// </summary>
/// <param name="until">Where replay stops: records that begin here or later are not replayed.</param>
public sealed class OpenTransactions(Lsn until)
{
    readonly Dictionary<uint, OpenTransaction> _open = [];

    // Since the last list of what runs. Both it and the list of locks may name one once more whose end was written just before.
    readonly HashSet<uint> _ended = [];

    // The names of those that have been prepared, by their numbers and their subtransactions': no restart ends them.
    readonly Dictionary<uint, string> _prepared = [];

    // Of the transactions that ran when the walk first learned which did, those that have not ended: they may have begun before it.
    HashSet<uint>? _earlier;

    public Lsn Until => until;

    /// <summary>Whether records behind <see cref="Until"/> were seen, as many as tell anything of what had begun there.</summary>
    public bool HasPassed { get; internal set; }

    /// <summary>The transaction that the record at <see cref="Until"/> ends, with what its subtransactions did; null when that record ends none, or one that has done nothing.</summary>
    public OpenTransaction? Ending { get; private set; }

    /// <summary>Whether all of them have begun within the walk, so that an earlier one would tell no more.</summary>
    public bool IsWhole => _earlier is { Count: 0 };

    /// <summary>In the order in which they began.</summary>
    public IEnumerable<OpenTransaction> All => _open.Values.OrderBy(static t => t.Begin);

    /// <summary>Those that hold something locked that others can see, which is not what they have made, each relation once.</summary>
    public IEnumerable<(OpenTransaction Transaction, IReadOnlyList<LockedRelation> Relations)> Locked()
    {
        // A lock may be told under the number of a subtransaction and under that of the whole.
        var told = new HashSet<LockedRelation>();
        foreach (var transaction in All)
        {
            var seen = transaction.Locks.Where(l => !_open.Values.Any(t => t.HasMade(l.Relation)) && told.Add(l));
            if (seen.OrderBy(static l => (l.Database, l.Relation)).ToList() is { Count: > 0 } relations)
            {
                yield return (transaction, relations);
            }
        }
    }

    /// <summary>One of them, or the one that ends at <see cref="Until"/>; null when the walk has seen nothing of it.</summary>
    public OpenTransaction? Find(uint xid) => Ending?.Xid == xid ? Ending : _open.GetValueOrDefault(xid);

    /// <summary>Whether it cannot have begun before the walk.</summary>
    public bool HasBegunWithin(uint xid) => _earlier is { } earlier && !earlier.Contains(xid);

    internal OpenTransaction Note(uint xid, Lsn start)
    {
        ref var transaction = ref CollectionsMarshal.GetValueRefOrAddDefault(_open, xid, out _);
        return transaction ??= new(xid, start) { PreparedAs = _prepared.GetValueOrDefault(xid) };
    }

    internal void NoteLock(uint xid, LockedRelation relation, Lsn start)
    {
        if (!_ended.Contains(xid))
        {
            Note(xid, start).Lock(relation);
        }
    }

    internal void NoteRunning(IEnumerable<uint> xids)
    {
        var running = xids.Where(x => !_ended.Contains(x)).ToHashSet();
        _earlier?.IntersectWith(running);
        _earlier ??= running;
        _ended.Clear();
    }

    internal void End(in TransactionEnd end)
    {
        Remove(end.Xid);
        foreach (var xid in MemoryMarshal.Cast<byte, uint>(end.Subtransactions))
        {
            Remove(xid);
        }
    }

    /// <summary>A transaction waits from here on for its COMMIT PREPARED or ROLLBACK PREPARED.</summary>
    internal void Prepare(uint xid, string name, ReadOnlySpan<uint> subtransactions)
    {
        Prepare(xid, name);
        foreach (var one in subtransactions)
        {
            Prepare(one, name);
        }
    }

    /// <summary>
    /// The server was stopped or has crashed: whatever ran has ended, but for what was prepared. Of those that ran before the walk it is not known which
    /// were, until the next list of what runs.
    /// </summary>
    internal void EndAllUnprepared()
    {
        foreach (var xid in _open.Keys.Where(x => !_prepared.ContainsKey(x)).ToList())
        {
            _open.Remove(xid);
        }
    }

    internal void EndAtStop(in TransactionEnd end)
    {
        var whole = _open.GetValueOrDefault(end.Xid);
        foreach (var xid in MemoryMarshal.Cast<byte, uint>(end.Subtransactions))
        {
            if (_open.TryGetValue(xid, out var part))
            {
                whole ??= new(end.Xid, part.Begin);
                whole.BeginBy(part.Begin);
            }
        }
        Ending = whole;
    }

    void Prepare(uint xid, string name)
    {
        _prepared[xid] = name;
        _open.GetValueOrDefault(xid)?.PreparedAs = name;
    }

    void Remove(uint xid)
    {
        _open.Remove(xid);
        _prepared.Remove(xid);
        _earlier?.Remove(xid);
        _ended.Add(xid);
    }
}
