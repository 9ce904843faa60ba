using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>What of a lineage is garbage, and why.</summary>
/// <param name="Unneeded">Packs, in whatever generations, of which no backup needs a page.</param>
/// <param name="Superseded">Generations of needed packs that have a higher one.</param>
/// <param name="Sparse">Packs to be written anew, the emptiest first.</param>
/// <param name="Segments">WAL that no backup needs.</param>
public sealed record CollectionPlan(
    IReadOnlyList<StoredPack> Unneeded, IReadOnlyList<StoredPack> Superseded, IReadOnlyList<SparsePack> Sparse, IReadOnlyList<UnneededSegment> Segments)
{
    /// <summary>Bytes that the repository gives back, about.</summary>
    public long FreedLength =>
        Unneeded.Sum(static p => p.StoredLength) + Superseded.Sum(static p => p.StoredLength) + Segments.Sum(static s => s.Segment.StoredLength)
        + Sparse.Sum(static s => s.Pack.StoredLength - s.NeededLength);

    /// <param name="packs">All generations of all packs.</param>
    /// <param name="pages">How many pages a pack holds; 0 leaves it alone.</param>
    public static CollectionPlan Make(PageNeeds needs, IReadOnlyList<StoredPack> packs, Func<StoredPack, int> pages, WalNeeds wal, IReadOnlyList<StoredSegment> segments)
    {
        var highest = packs.Where(p => needs.Packs.ContainsKey(p.Name)).GroupBy(static p => p.Name).Select(static g => g.MaxBy(static p => p.Generation)).ToHashSet();
        var sparse = highest.Select(p => new SparsePack(p, needs.Packs[p.Name], pages(p))).Where(static s => s.Needed.Count * 2L < s.Pages);
        return new(
            [.. packs.Where(p => !needs.Packs.ContainsKey(p.Name))],
            [.. packs.Where(p => needs.Packs.ContainsKey(p.Name) && !highest.Contains(p))],
            [.. sparse.OrderBy(static s => (double)s.Needed.Count / s.Pages).ThenBy(static s => s.Pack.Name, StringComparer.Ordinal)],
            [.. segments.Select(s => new UnneededSegment(s, wal.WhyUnneeded(s.Name) ?? "")).Where(static s => s.Why.Length > 0)]);
    }
}
