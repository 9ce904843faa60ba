using Barkeep.Backups;
using Barkeep.Keeping;
using Xunit;

namespace Barkeep.Tests.Backups;

public sealed class ConsolidationRuleTests
{
    static IReadOnlyList<FrameUse> Frames(int pack, int count, int needed) => [.. Enumerable.Range(0, count).Select(f => new FrameUse(pack, f, 128, needed))];

    [Fact]
    public void Dense_frames_are_left_alone() => Assert.Empty(ConsolidationRule.Choose([.. Frames(0, 100, 95), .. Frames(1, 10, 90)], 1000, 1_000_000));

    [Fact]
    public void The_sparsest_are_stored_anew_and_no_more_than_it_takes()
    {
        var chosen = ConsolidationRule.Choose([.. Frames(0, 100, 128), .. Frames(1, 100, 10)], 0, 1_000_000);
        Assert.All(chosen, static f => Assert.Equal(1, f.Pack));
        // Of 25,600 pages held, 13,800 are needed: 7,660 of 11,800 must go.
        Assert.Equal(65, chosen.Count);
    }

    [Fact]
    public void No_more_is_stored_anew_than_can_be_paid_for() => Assert.Equal(4096 / 10, ConsolidationRule.Choose(Frames(1, 1000, 10), 0, 0).Count);

    [Theory]
    [InlineData(20_000, 40, 300, true)]
    [InlineData(20_000, 400, 300, true)]
    [InlineData(100_000, 1000, 200, true)]
    [InlineData(100_000, 1600, 200, true)]
    [InlineData(100_000, 1600, 200, false)]
    [InlineData(3000, 1500, 300, false)]
    [InlineData(100_000, 50_000, 30, false)]
    public void Hundreds_of_incrementals_stay_dense_few_and_cheap(int pages, int changedEach, int backups, bool isUniform)
    {
        var random = new Random(pages + changedEach);
        var places = new (int Pack, int Ordinal)[pages];
        var sizes = new List<int>();
        for (var i = 0; i < pages; i++)
        {
            Put(i, 0);
        }
        for (var backup = 0; backup < backups; backup++)
        {
            var own = sizes.Count;
            var changed = new HashSet<int>();
            while (changed.Count < changedEach)
            {
                changed.Add(isUniform || random.Next(10) == 0 ? random.Next(pages) : random.Next(pages / 5 * 3));
            }
            foreach (var page in changed.Order())
            {
                Put(page, own);
            }
            var frames = Uses().Where(f => f.Pack < own).ToList();
            var chosen = ConsolidationRule.Choose(frames, changedEach, changedEach).Select(static f => (f.Pack, f.Frame)).ToHashSet();
            var moved = Enumerable.Range(0, pages).Where(p => chosen.Contains((places[p].Pack, places[p].Ordinal / 128))).OrderBy(p => places[p]).ToList();
            moved.ForEach(p => Put(p, own));

            Assert.True(moved.Count <= Math.Max(4096, 2 * changedEach) + Math.Max(4096, changedEach), $"backup {backup}: {moved.Count} pages stored anew");
            var held = Uses().Sum(static f => (long)f.Pages);
            Assert.True(held <= 1.5 * pages, $"backup {backup}: {held} pages are held for {pages}");
            var packs = places.Select(static p => p.Pack).Distinct().Count();
            Assert.True(packs <= 75, $"backup {backup}: {packs} packs");
        }

        IEnumerable<FrameUse> Uses() => places.GroupBy(static p => (p.Pack, Frame: p.Ordinal / 128))
            .Select(f => new FrameUse(f.Key.Pack, f.Key.Frame, Math.Min(128, sizes[f.Key.Pack] - (128 * f.Key.Frame)), f.Count()));

        void Put(int page, int from)
        {
            const int Full = 100_000;
            if (sizes.Count == from || sizes[^1] == Full)
            {
                sizes.Add(0);
            }
            places[page] = (sizes.Count - 1, sizes[^1]++);
        }
    }
}
