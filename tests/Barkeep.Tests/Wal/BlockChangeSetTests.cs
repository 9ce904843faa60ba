using System.Buffers.Binary;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

/// <summary>The set itself, against a plain one, and records that cannot be believed.</summary>
public sealed class BlockChangeSetTests
{
    static readonly RelationFork Main = new(1663, 5, 16384, ForkNumber.Main);
    static readonly RelationFork Map = Main with { Fork = ForkNumber.VisibilityMap };
    static readonly SegmentSize OneMb = new(1 << 20);

    static readonly Gen<uint> Blocks = Gen.OneOf(Gen.UInt[0, 200], Gen.UInt[8100, 8300], Gen.UInt[0, 200_000], Gen.UInt[uint.MaxValue - 100, uint.MaxValue - 1]);

    [Fact]
    public void A_set_of_blocks_is_one_whatever_is_added_limited_and_merged() =>
        Gen.Select(Gen.Select(Gen.Int[0, 9], Blocks).Array[0, 60], Gen.Select(Gen.Int[0, 9], Blocks).Array[0, 60], Blocks, Blocks).Sample(
            (one, other, a, b) =>
            {
                var (ours, plain) = Build(one);
                var (more, morePlain) = Build(other);
                ours.Merge(more);
                plain.Blocks.UnionWith(morePlain.Blocks);
                var limit = Math.Min(plain.Limit, morePlain.Limit);

                var (first, end) = (Math.Min(a, b), Math.Max(a, b));
                Assert.Equal(limit, ours.Limit);
                Assert.Equal(plain.Blocks.Where(n => n < limit && n >= first && n < end), ours.Blocks(first, end));
                Assert.Equal(plain.Blocks.Where(n => n < limit), ours.Blocks());
            },
            iter: 2000, threads: 1);

    [Fact]
    public void A_block_of_the_visibility_map_has_changed_when_a_block_that_it_speaks_of_has()
    {
        const uint Each = 32_672;
        var changes = new BlockChanges();
        changes.Add(Main, Each - 1);
        changes.Add(Main, 3 * Each);
        changes.Add(Map, 7);
        Assert.Equal([0u, 3, 7], changes.ChangedBlocks(Map, 0, 100));
        Assert.Equal([3u], changes.ChangedBlocks(Map, 1, 7));
        Assert.Equal([Each - 1, 3 * Each], changes.ChangedBlocks(Main, 0, 10 * Each));

        changes.AddFrom(Main, (5 * Each) + 1);
        Assert.Equal(5u, changes.LimitOf(Map));
        Assert.Equal([0u, 3, 5, 6, 7], changes.ChangedBlocks(Map, 0, 8));
        Assert.Equal((5 * Each) + 1, changes.LimitOf(Main));
        Assert.Equal([(5 * Each) + 1, (5 * Each) + 2], changes.ChangedBlocks(Main, 4 * Each, (5 * Each) + 3));

        changes.AddFrom(Map, 2);
        Assert.Equal([0u, 2, 3], changes.ChangedBlocks(Map, 0, 4));
    }

    [Fact]
    public void A_free_space_map_has_changed_throughout_where_it_or_its_relation_has_or_maps_are_doubted()
    {
        var space = Main with { Fork = ForkNumber.FreeSpaceMap };
        foreach (var touched in (RelationFork[])[Main, space, Main with { Fork = ForkNumber.Init }])
        {
            var changes = new BlockChanges();
            changes.Add(touched with { Relation = touched.Relation + 1 }, 0);
            Assert.Empty(changes.ChangedBlocks(space, 0, 3));
            changes.Add(touched, 7);
            Assert.Equal([1u, 2], changes.ChangedBlocks(space, 1, 3));
        }
        var doubting = new BlockChanges();
        doubting.DoubtFreeSpaceMaps();
        var merged = new BlockChanges();
        merged.Merge(new());
        Assert.Empty(merged.ChangedBlocks(space, 0, 3));
        merged.Merge(doubting);
        merged.Merge(new());
        Assert.Equal([1u, 2], merged.ChangedBlocks(space, 1, 3));
        Assert.Empty(merged.ChangedBlocks(Main, 0, 3));
    }

    [Fact]
    public void Whole_databases_and_everything_have_changed_throughout()
    {
        var changes = new BlockChanges();
        Assert.Empty(changes.ChangedBlocks(Main, 0, 1000));
        Assert.Equal(ForkChanges.NoLimit, changes.LimitOf(Main));

        changes.AddDatabase(1663, 6);
        Assert.False(changes.IsWhole(1663, 5));
        Assert.Equal([4u, 5], changes.ChangedBlocks(Main with { Database = 6 }, 4, 6));
        Assert.Empty(changes.ChangedBlocks(Map, 0, 10));

        var other = new BlockChanges();
        other.AddEverything("a reason");
        changes.Merge(other);
        Assert.Equal("a reason", changes.Everything);
        Assert.Equal(0u, changes.LimitOf(Map));
    }

    [Theory]
    [InlineData(ResourceManager.Heap, 0x00, new byte[] { 0, 0x20, 4, 0, 1 })] // a reference cut off
    [InlineData(ResourceManager.Heap, 0x00, new byte[] { 0, 0x80, 0, 0, 1, 0, 0, 0 })] // the same relation as none
    [InlineData(ResourceManager.Heap, 0x00, new byte[] { 0, 0x04, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0 })] // a fifth fork
    [InlineData(ResourceManager.Heap, 0x00, new byte[] { 40, 0, 0, 0, 0, 0, 0, 0 })] // an unknown header
    [InlineData(ResourceManager.Heap, 0x00, new byte[] { 255, 9, 0 })] // less data than announced
    [InlineData(ResourceManager.Storage, 0x10, new byte[] { 255, 4, 0, 0, 0, 0 })]
    [InlineData(ResourceManager.Storage, 0x30, new byte[] { 255, 4, 0, 0, 0, 0 })] // an unknown kind
    [InlineData(ResourceManager.Database, 0x20, new byte[] { 255, 8, 1, 0, 0, 0, 2, 0, 0, 0 })] // two tablespaces, none named
    [InlineData(ResourceManager.Transaction, 0x80, new byte[] { 255, 12, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0 })] // relations, none named
    [InlineData(ResourceManager.Transaction, 0x80, new byte[] { 255, 16, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 255, 255, 255, 127 })] // two billion subtransactions
    [InlineData(ResourceManager.Transaction, 0x80, new byte[] { 255, 16, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255 })] // four billion relations
    [InlineData(ResourceManager.Xlog, 0x60, new byte[] { 255, 4, 0, 0, 0, 0 })]
    public void A_record_that_cannot_be_read_makes_everything_count_as_changed(ResourceManager manager, byte info, byte[] data)
    {
        var wal = new WrittenWal(OneMb, 7);
        wal.Add(manager, info, data);
        Assert.Contains("cannot be read", Collect(wal).Everything!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1_000_000, true)]
    [InlineData(1_500_000, false)]
    public void A_commit_that_drops_more_relations_than_are_kept_makes_everything_count_as_changed(int relations, bool isKept)
    {
        var data = new byte[5 + 16 + (12 * relations)];
        data[0] = 254;
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(1), data.Length - 5);
        data[5 + 8] = 4;
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(5 + 12), relations);
        for (var i = 0; i < relations; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(5 + 16 + (12 * i) + 8), i + 1);
        }
        var wal = new WrittenWal(OneMb, 7);
        wal.Add(ResourceManager.Transaction, 0x80, data);

        var changes = Collect(wal);
        Assert.Equal(isKept, changes.Everything is null);
        Assert.Equal(isKept ? 3 * relations : 0, changes.Forks.Count);
    }

    static BlockChanges Collect(WrittenWal wal)
    {
        var changes = new BlockChanges();
        var collector = new BlockChangeCollector(changes);
        new RecordWalker(wal.Start, TimelineHistory.Initial(TimelineId.First), OneMb, null).Append(wal.ToArray(), ref collector);
        return changes;
    }

    static (ForkChanges Ours, (SortedSet<uint> Blocks, uint Limit) Plain) Build((int What, uint Block)[] steps)
    {
        var ours = new ForkChanges();
        var blocks = new SortedSet<uint>();
        var limit = ForkChanges.NoLimit;
        foreach (var (what, block) in steps)
        {
            if (what == 0)
            {
                ours.AddFrom(block);
                limit = Math.Min(limit, block);
            }
            else
            {
                ours.Add(block);
                blocks.Add(block);
            }
        }
        return (ours, (blocks, limit));
    }
}
