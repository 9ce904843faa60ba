using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>Collects the block changes of a gap-free row of segments.</summary>
sealed class ChangesWalk(Lineage lineage, WalSpool spool, TimelineHistory history, IReadOnlyList<WalPart> parts, Lsn from, Lsn to)
{
    readonly PartWalk _walk = new(lineage, spool, history, parts);
    readonly SegmentSize _size = lineage.Wal.SegmentSize;

    /// <summary>Complete when <see cref="RunAsync"/> has returned null.</summary>
    public BlockChanges Changes { get; } = new();

    /// <returns>What is in the way; null when nothing is.</returns>
    public async Task<(string Text, bool IsYetToCome)?> RunAsync(CancellationToken cancellationToken)
    {
        // The walker that has passed the last segment, if that one was walked.
        RecordWalker? walker = null;
        for (var i = 0; i < parts.Count; i++)
        {
            try
            {
                if (await TryMergeStoredAsync(i, cancellationToken))
                {
                    walker = null;
                    continue;
                }
                walker = await _walk.RunAsync(i, new BlockChangeCollector(Changes, from, to), cancellationToken);
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
            {
                return (e.Message, false);
            }
            if (walker.Defect is { } defect && (i + 1 < parts.Count || !HasPassed(walker)))
            {
                // A tail that a crash has torn is received again.
                return ($"the received WAL is damaged: {defect}", parts[i].Segment.Place == WalPlace.Spool);
            }
        }
        return walker is null || HasPassed(walker) ? null : ($"the WAL record at {walker.PendingRecord ?? walker.ValidEnd} has not been received whole yet", true);
    }

    /// <summary>
    /// Takes what the receiver has noted of a segment. Not of the first: of what happened in it before the begin nothing is wanted.
    /// </summary>
    async Task<bool> TryMergeStoredAsync(int index, CancellationToken cancellationToken)
    {
        var (segment, keep) = parts[index];
        if (index == 0 || segment.Place != WalPlace.Repository || keep < _size.Bytes
            || await lineage.Wal.TryGetChangesAsync(segment.Name, cancellationToken) is not { IsWhole: true } stored)
        {
            return false;
        }
        Changes.Merge(stored.Changes);
        return true;
    }

    bool HasPassed(RecordWalker walker)
    {
        var page = walker.ValidEnd.AlignDown(PageHeader.PageSize);
        var next = walker.ValidEnd == page ? page + PageHeader.SizeAt(page, _size) : walker.ValidEnd;
        return next >= to;
    }
}
