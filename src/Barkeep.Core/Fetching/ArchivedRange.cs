using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Fetching;

/// <summary>Which segments of a range are in the repository.</summary>
public static class ArchivedRange
{
    /// <summary>More than this is a mistake in a name: at 16 MiB, 16 TiB of WAL.</summary>
    const ulong MaxSegments = 1 << 20;

    /// <summary>Those that are not, from the first to the last, both included; the range follows the history of the last one's timeline.</summary>
    /// <exception cref="BarkeepException">BadWalName: no cluster of this segment size has such segments. Usage: they are no range.</exception>
    public static async Task<IReadOnlyList<SegmentName>> FindMissingAsync(Lineage lineage, SegmentName first, SegmentName last, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        first.ThrowUnlessValidFor(size);
        last.ThrowUnlessValidFor(size);
        var history = await lineage.Wal.GetHistoryAsync(last.Timeline, cancellationToken);
        // A timeline's first segment begins before the timeline does.
        if (first.Number(size) > last.Number(size) || last.Number(size) - first.Number(size) >= MaxSegments || !(history.Contains(first.Timeline, first.Start(size)) || history.Contains(first.Timeline, first.End(size))))
        {
            throw new BarkeepException(ErrorKind.Usage, $"{first} does not lead to {last}", "the first must come before the last, on its timeline or on one that it descends from");
        }
        var stored = (await lineage.Wal.ListSegmentsAsync(cancellationToken)).Where(static s => s is { IsPartial: false, IsDamaged: false }).Select(static s => s.Name).ToHashSet();
        var missing = new List<SegmentName>();
        for (var number = first.Number(size); number <= last.Number(size); number++)
        {
            // The segment in which a timeline began bears the new one's name, or the old one's too.
            var (begin, end) = (size.StartOf(number), new Lsn(size.StartOf(number + 1).Value - 1));
            var name = SegmentName.Of(history.TimelineAt(end), number, size);
            if (!stored.Contains(name) && !stored.Contains(SegmentName.Of(history.TimelineAt(begin), number, size)))
            {
                missing.Add(name);
            }
        }
        return missing;
    }
}
