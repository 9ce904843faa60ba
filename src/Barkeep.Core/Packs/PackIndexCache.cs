namespace Barkeep.Packs;

/// <summary>
/// The indexes of a lineage's packs, read when they are first asked for; only the few that were used last are kept, each at
/// most about 4 MiB, so that the hashes of a large backup's pages need not fit into memory. Safe for several threads.
/// </summary>
public sealed class PackIndexCache(PackStore packs, int capacity = PackIndexCache.DefaultCapacity)
{
    /// <summary>About 100 MiB at the worst.</summary>
    public const int DefaultCapacity = 24;

    readonly Lock _lock = new();
    readonly Dictionary<string, LinkedListNode<Held>> _held = new(StringComparer.Ordinal);
    readonly LinkedList<Held> _order = new();

    /// <summary>The index of a pack.</summary>
    /// <exception cref="Common.BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    public Task<PackIndex> GetAsync(string pack, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_held.TryGetValue(pack, out var node) && !node.Value.Index.IsFaulted && !node.Value.Index.IsCanceled)
            {
                _order.Remove(node);
                _order.AddFirst(node);
                return node.Value.Index;
            }
            if (node is not null)
            {
                _order.Remove(node);
            }
            else if (_held.Count >= capacity)
            {
                _held.Remove(_order.Last!.Value.Pack);
                _order.RemoveLast();
            }
            var reading = ReadAsync(pack, cancellationToken);
            _held[pack] = _order.AddFirst(new Held(pack, reading));
            return reading;
        }
    }

    async Task<PackIndex> ReadAsync(string pack, CancellationToken cancellationToken)
    {
        using var reader = await packs.OpenAsync(pack, cancellationToken);
        return reader.Index;
    }

    sealed record Held(string Pack, Task<PackIndex> Index);
}
