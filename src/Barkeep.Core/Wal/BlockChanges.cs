using System.Runtime.InteropServices;

namespace Barkeep.Wal;

/// <summary>
/// Which blocks of which relation forks a stretch of WAL touches, and from where on a fork was truncated or made anew
/// (docs/format.md, "Block changes"). Says too much rather than too little: a free space map counts as changed
/// throughout where anything of its relation does. Not safe for use by several threads while it is added to.
/// </summary>
public sealed class BlockChanges
{
    /// <summary>Blocks of the main fork that one block of the visibility map speaks of: 8168 bytes of 4 (visibilitymap.c, HEAPBLOCKS_PER_PAGE).</summary>
    public const uint BlocksPerMapBlock = 32_672;

    readonly Dictionary<RelationFork, ForkChanges> _forks = [];
    readonly HashSet<(uint Tablespace, uint Database)> _databases = [];
    RelationFork _lastFork;
    ForkChanges? _last;

    /// <summary>Why everything counts as changed, in a line; null when it does not.</summary>
    public string? Everything { get; private set; }

    /// <summary>Whether free space maps may have changed without a trace: then all of them count as changed.</summary>
    public bool DoubtsFreeSpaceMaps { get; private set; }

    /// <summary>Databases of which every file in that tablespace counts as changed.</summary>
    public IReadOnlyCollection<(uint Tablespace, uint Database)> Databases => _databases;

    /// <summary>What was added of each fork, without what follows from other forks or from the database.</summary>
    public IReadOnlyDictionary<RelationFork, ForkChanges> Forks => _forks;

    public void Add(in RelationFork fork, uint block) => Of(fork).Add(block);

    /// <summary>Everything of a fork from a block on.</summary>
    public void AddFrom(RelationFork fork, uint limit) => Of(fork).AddFrom(limit);

    /// <summary>Every file of a database in a tablespace.</summary>
    public void AddDatabase(uint tablespace, uint database) => _databases.Add((tablespace, database));

    /// <param name="reason">For people, in a line; the first one stays.</param>
    public void AddEverything(string reason) => Everything ??= reason;

    public void DoubtFreeSpaceMaps() => DoubtsFreeSpaceMaps = true;

    public void Merge(BlockChanges other)
    {
        Everything ??= other.Everything;
        DoubtsFreeSpaceMaps |= other.DoubtsFreeSpaceMaps;
        _databases.UnionWith(other._databases);
        foreach (var (fork, changes) in other._forks)
        {
            Of(fork).Merge(changes);
        }
    }

    /// <summary>Whether every file of a database in a tablespace counts as changed.</summary>
    public bool IsWhole(uint tablespace, uint database) => Everything is not null || _databases.Contains((tablespace, database));

    /// <summary>
    /// The block from which on everything of a fork counts as changed, whatever its length: 0 when all of it does,
    /// <see cref="ForkChanges.NoLimit"/> when only single blocks do.
    /// </summary>
    public uint LimitOf(RelationFork fork)
    {
        if (IsWhole(fork.Tablespace, fork.Database))
        {
            return 0;
        }
        if (fork.Fork == ForkNumber.FreeSpaceMap)
        {
            return DoubtsFreeSpaceMaps || IsTouched(fork) ? 0 : ForkChanges.NoLimit;
        }
        var limit = _forks.TryGetValue(fork, out var own) ? own.Limit : ForkChanges.NoLimit;
        return MainOf(fork) is { Limit: not ForkChanges.NoLimit } main ? Math.Min(limit, main.Limit / BlocksPerMapBlock) : limit;
    }

    /// <summary>The blocks of a fork that count as changed and lie in a range, ascending.</summary>
    /// <param name="end">Exclusive.</param>
    public IEnumerable<uint> ChangedBlocks(RelationFork fork, uint first, uint end)
    {
        var limit = Math.Min(LimitOf(fork), end);
        foreach (var block in SingleBlocks(fork, first, limit))
        {
            yield return block;
        }
        for (var block = Math.Max(first, limit); block < end; block++)
        {
            yield return block;
        }
    }

    IEnumerable<uint> SingleBlocks(RelationFork fork, uint first, uint end)
    {
        if (first >= end)
        {
            return [];
        }
        IEnumerable<uint> own = _forks.TryGetValue(fork, out var changes) ? changes.Blocks(first, end) : [];
        if (MainOf(fork) is not { } main)
        {
            return own;
        }
        // Bits of the map are cleared by heap records that do not refer to its block.
        var derived = main.Blocks(FirstOf(first), FirstOf(end)).Select(static block => block / BlocksPerMapBlock);
        return new SortedSet<uint>(own.Concat(derived));

        static uint FirstOf(uint mapBlock) => (uint)Math.Min((ulong)mapBlock * BlocksPerMapBlock, ForkChanges.NoLimit);
    }

    // Replay, after a crash too, changes the map with the blocks of the main fork, and leaves no trace of that.
    bool IsTouched(RelationFork fork) =>
        _forks.ContainsKey(fork) || _forks.ContainsKey(fork with { Fork = ForkNumber.Main }) || _forks.ContainsKey(fork with { Fork = ForkNumber.Init });

    ForkChanges? MainOf(RelationFork fork) =>
        fork.Fork == ForkNumber.VisibilityMap ? _forks.GetValueOrDefault(fork with { Fork = ForkNumber.Main }) : null;

    ForkChanges Of(in RelationFork fork)
    {
        if (_last is null || fork != _lastFork)
        {
            ref var entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_forks, fork, out _);
            _last = entry ??= new();
            _lastFork = fork;
        }
        return _last;
    }
}
