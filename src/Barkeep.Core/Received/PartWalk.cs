using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>Walks segments of a gap-free row, in any order, each with the record that crosses into it, and no further than is kept of it.</summary>
/// <param name="spool">Null when none of them is there.</param>
sealed class PartWalk(Lineage lineage, WalSpool? spool, TimelineHistory history, IReadOnlyList<WalPart> parts)
{
    readonly WalReading _reading = new(lineage.Wal, spool, lineage.Identity.SystemId);
    readonly SegmentSize _size = lineage.Wal.SegmentSize;

    // The walker that has passed the segment before this one.
    RecordWalker? _walker;
    int _next;

    /// <summary>Shows each record that ends in a segment to the visitor.</summary>
    /// <returns>The walker, at the segment's end or where a defect is.</returns>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<RecordWalker> RunAsync<TVisitor>(int index, TVisitor visitor, CancellationToken cancellationToken)
        where TVisitor : struct, IRecordVisitor
    {
        var walker = _walker is { } running && _next == index ? running : await WalkerBeforeAsync(index, cancellationToken);
        _walker = null;
        await WalkAsync(walker, index, visitor, cancellationToken);
        (_walker, _next) = (walker, index + 1);
        return walker;
    }

    /// <summary>A walker at a segment's start that knows the record which crosses into it, unless that begins before all parts.</summary>
    async Task<RecordWalker> WalkerBeforeAsync(int index, CancellationToken cancellationToken)
    {
        for (var (first, step) = (index - 1, 1); ; first -= step, step *= 2)
        {
            first = Math.Max(first, 0);
            var walker = new RecordWalker(parts[first].Segment.Name.Start(_size), history, _size, lineage.Identity.SystemId);
            for (var i = first; i < index; i++)
            {
                await WalkAsync(walker, i, default(NoRecords), cancellationToken);
            }
            if (first == 0 || walker.ValidEnd > walker.Start || walker.PendingRecord is not null)
            {
                return walker;
            }
        }
    }

    async Task WalkAsync<TVisitor>(RecordWalker walker, int index, TVisitor visitor, CancellationToken cancellationToken)
        where TVisitor : struct, IRecordVisitor
    {
        await using var walking = new SinkStream(bytes => walker.Append(bytes, ref visitor), parts[index].Keep);
        await _reading.CopyStartAsync(parts[index].Segment, parts[index].Keep, walking, cancellationToken);
    }

    readonly struct NoRecords : IRecordVisitor
    {
        public void Visit(in WalRecord record)
        {
        }
    }
}
