using Barkeep.Packs;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>Which pages of a file must be read although the earlier backup has the file.</summary>
public static class ChangedPages
{
    /// <summary>
    /// The pages that count as changed, those beyond the earlier file's end (an extension by zeros leaves no record in the WAL), and
    /// those that are wanted anyway.
    /// </summary>
    /// <param name="firstBlock">The number of the file's first page in its fork.</param>
    /// <param name="length">The file's length now, bytes.</param>
    /// <param name="earlierLength">Its length in the earlier backup, bytes.</param>
    /// <param name="anyway">Pages of the file.</param>
    /// <returns>Ascending, apart from one another, within the file.</returns>
    public static PageRange[] Of(BlockChanges changes, RelationFork fork, long firstBlock, long length, long earlierLength, IEnumerable<int> anyway)
    {
        // A page that was cut short, then or now, was being written.
        var known = (int)(Math.Min(length, earlierLength) / Page.Size);
        var pages = (int)Page.CountFor(length);
        var ranges = new List<PageRange>();
        if (firstBlock + known > uint.MaxValue)
        {
            return [new(0, pages)];
        }
        var limit = (int)Math.Clamp(changes.LimitOf(fork) - firstBlock, 0, known);
        var single = changes.ChangedBlocks(fork, (uint)firstBlock, (uint)(firstBlock + limit)).Select(block => (int)(block - firstBlock));
        foreach (var page in single.Concat(anyway.Where(p => p < limit)).Order())
        {
            Add(ranges, new(page, page + 1));
        }
        Add(ranges, new(limit, pages));
        return [.. ranges];
    }

    static void Add(List<PageRange> ranges, PageRange range)
    {
        if (ranges.Count > 0 && ranges[^1].End >= range.First)
        {
            ranges[^1] = ranges[^1] with { End = Math.Max(ranges[^1].End, range.End) };
        }
        else if (range.Count > 0)
        {
            ranges.Add(range);
        }
    }
}
