using Barkeep.Backups;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Backups;

public sealed class ChangedPagesTests
{
    const int Page = 8192;

    static readonly RelationFork Fork = new(1663, 5, 16384, ForkNumber.Main);

    static BlockChanges Changes(params uint[] blocks)
    {
        var changes = new BlockChanges();
        foreach (var block in blocks)
        {
            changes.Add(Fork, block);
        }
        return changes;
    }

    static PageRange[] Of(BlockChanges changes, long pages, long earlier, long firstBlock = 0, params int[] anyway) =>
        ChangedPages.Of(changes, Fork, firstBlock, pages * Page, earlier * Page, anyway);

    [Fact]
    public void Nothing_is_read_of_a_file_that_did_not_change() => Assert.Empty(Of(Changes(), 100, 100));

    [Fact]
    public void Neighbours_are_one_range() => Assert.Equal([new(3, 5), new(7, 8)], Of(Changes(3, 4, 7), 10, 10));

    [Fact]
    public void What_was_added_is_read_from_the_earlier_end_on() => Assert.Equal([new(2, 3), new(10, 14)], Of(Changes(2), 14, 10));

    [Fact]
    public void What_is_beyond_the_end_is_not_read() => Assert.Equal([new(2, 3)], Of(Changes(2, 9), 5, 10));

    [Fact]
    public void From_the_limit_block_on_everything_is_read()
    {
        var changes = Changes(1);
        changes.AddFrom(Fork, 6);
        Assert.Equal([new(1, 2), new(6, 9)], Of(changes, 9, 20));
    }

    [Fact]
    public void A_forks_later_file_has_the_blocks_after_its_first_files()
    {
        var changes = Changes(5, 131_072, 131_080, 262_144);
        Assert.Equal([new(0, 1), new(8, 9)], Of(changes, 131_072, 131_072, 131_072));
        Assert.Equal([new(0, 1)], Of(changes, 10, 10, 262_144));
        changes.AddFrom(Fork, 131_100);
        Assert.Equal([new(0, 1), new(8, 9), new(28, 131_072)], Of(changes, 131_072, 131_072, 131_072));
        Assert.Equal([new(0, 10)], Of(changes, 10, 10, 262_144));
        Assert.Equal([new(5, 6)], Of(changes, 131_072, 131_072));
    }

    [Fact]
    public void Blocks_above_2_to_the_31_are_found()
    {
        // 32 TiB: the largest relation there can be.
        const long First = 32_767L * 131_072;
        Assert.Equal([new(131_000, 131_001)], Of(Changes((uint)(First + 131_000)), 131_071, 131_071, First));
    }

    [Fact]
    public void Damaged_pages_are_read_whatever_the_WAL_says() => Assert.Equal([new(1, 2), new(4, 6)], Of(Changes(5), 10, 10, 0, 4, 1, 12));

    [Fact]
    public void A_page_that_was_cut_short_is_read_again()
    {
        Assert.Equal([new(9, 10)], ChangedPages.Of(Changes(), Fork, 0, 10 * Page, (9 * Page) + 100, []));
        Assert.Equal([new(8, 9)], ChangedPages.Of(Changes(), Fork, 0, (8 * Page) + 100, 10 * Page, []));
    }

    [Fact]
    public void Every_page_is_read_or_known_to_be_as_it_was()
    {
        var input = Gen.Select(Gen.Int[0, 40], Gen.Int[0, 40], Gen.Int[0, 60].Array[0, 10], Gen.Int[0, 60], Gen.Bool, Gen.Int[0, 20].Array[0, 3], Gen.OneOf(Gen.Const(0L), Gen.Const(7L), Gen.Const(131_072L)));
        input.Sample((pages, earlier, changed, limit, hasLimit, damaged, first) =>
        {
            var changes = Changes([.. changed.Select(c => (uint)(first + c))]);
            if (hasLimit)
            {
                changes.AddFrom(Fork, (uint)(first + limit));
            }
            var read = Of(changes, pages, earlier, first, damaged).SelectMany(r => Enumerable.Range(r.First, r.Count)).ToList();
            var expected = Enumerable.Range(0, pages).Where(p => p >= earlier || changed.Contains(p) || (hasLimit && p >= limit) || damaged.Contains(p));
            Assert.Equal(expected, read);
        });
    }
}
