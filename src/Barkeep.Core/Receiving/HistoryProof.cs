using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>Whether a timeline history that somebody hands over can be true, as far as what is here tells.</summary>
static class HistoryProof
{
    /// <returns>What speaks against it, in half a sentence; null when nothing does.</returns>
    public static async Task<string?> FindContradictionAsync(Lineage lineage, WalSpool spool, TimelineHistory history, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        var (parent, begin) = history.Ancestors[^1];
        if (history.Ancestors[0].End < size.StartOf(1))
        {
            return $"timeline {history.Ancestors[0].Timeline} cannot have been left at {history.Ancestors[0].End}, before all WAL";
        }
        // A damaged one has been told, and is no witness.
        foreach (var known in (await lineage.Wal.ReadHistoriesAsync(cancellationToken)).Sound.Values)
        {
            if (history.FindConflict(known) is { } timeline)
            {
                return $"it knows another origin of timeline {timeline} than the history of timeline {known.Timeline} that was received before";
            }
        }
        var segments = (await lineage.Wal.ListSegmentsAsync(cancellationToken)).Select(static s => s.Name).Concat(spool.List().Select(static s => s.Name));
        return segments.Where(s => s.Timeline == history.Timeline && s.End(size) <= begin).Order().Cast<SegmentName?>().FirstOrDefault() is { } earlier
            ? $"it has timeline {history.Timeline} begin at {begin}, where it left timeline {parent}, and {earlier}, which was received, lies before that"
            : null;
    }
}
