using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Received;

/// <summary>
/// Puts complete segments into the repository, wherever they come from, and then what is derived from them. Every page and record is
/// walked before the last byte is handed on. Segments that follow one another cost least. Not safe for several threads at once.
/// </summary>
sealed class SegmentIntake(Lineage lineage, ILogger logger)
{
    RecordWalker? _walker;
    TimelineId _walkerTimeline;

    /// <summary>Histories that are not in the repository yet.</summary>
    public IReadOnlyDictionary<TimelineId, TimelineHistory> Histories { get; init; } = new Dictionary<TimelineId, TimelineHistory>();

    SegmentSize Size => lineage.Identity.SegmentSize;

    /// <summary>Stores a segment, what it changes and what it tells; all of it is durable when it returns null.</summary>
    /// <param name="source">Opens its bytes; closed when this returns.</param>
    /// <returns>What is wrong with the segment, which is not stored then; null when nothing is.</returns>
    /// <exception cref="BarkeepException">WalDiverged: other bytes are there; DiskFull; Storage.</exception>
    public async Task<string?> TryTakeAsync(SegmentName name, Func<Stream> source, CancellationToken cancellationToken)
    {
        var walker = await WalkerBeforeAsync(name, cancellationToken);
        var skipped = walker.SkippedBytes;
        var changes = new BlockChanges();
        var moments = new Moments();
        using (var content = new WalkedStream(source(), Size.Bytes, walker, changes, moments))
        {
            try
            {
                await lineage.Wal.PutSegmentAsync(name, content, cancellationToken);
            }
            catch (BarkeepException e) when (content.IsUnsound)
            {
                return e.Message;
            }
        }
        (_walker, _walkerTimeline) = (walker, name.Timeline);
        var isWhole = walker.SkippedBytes == skipped;
        await lineage.Wal.PutChangesAsync(name, new(changes, isWhole), cancellationToken);
        await lineage.Wal.PutMomentsAsync(name, new(moments, moments.Bounds, isWhole), cancellationToken);
        return null;
    }

    /// <summary>As <see cref="TryTakeAsync"/>, but stores nothing: what it would say of the segment's records.</summary>
    public async Task<string?> TryWalkAsync(SegmentName name, Func<Stream> source, CancellationToken cancellationToken)
    {
        var walker = await WalkerBeforeAsync(name, cancellationToken);
        using (var content = new WalkedStream(source(), Size.Bytes, walker, new(), new()))
        {
            try
            {
                await content.CopyToAsync(Stream.Null, cancellationToken);
            }
            catch (BarkeepException e) when (content.IsUnsound)
            {
                return e.Message;
            }
        }
        (_walker, _walkerTimeline) = (walker, name.Timeline);
        return null;
    }

    /// <summary>A walker that has just passed the segment before, so that the record that crosses into this one is checked too.</summary>
    async Task<RecordWalker> WalkerBeforeAsync(SegmentName name, CancellationToken cancellationToken)
    {
        var start = name.Start(Size);
        // Taken, not borrowed: after a failure nobody knows how far it has come.
        var running = _walker;
        _walker = null;
        if (running is not null && _walkerTimeline == name.Timeline && running.Position == start)
        {
            return running;
        }
        var history = await HistoryOfAsync(name, cancellationToken);
        var number = name.Number(Size);
        var before = SegmentName.Of(history.TimelineAt(new(start.Value - 1)), number - 1, Size);
        return number > 0 && await lineage.Wal.HasSegmentAsync(before, cancellationToken) && await TryPassAsync(before, history, cancellationToken) is { } primed
            ? primed
            : new(start, history, Size, lineage.Identity.SystemId);
    }

    // A timeline that has a segment before this one began before it: nothing of its history shows here. In the segment in which it began it must be known.
    async Task<TimelineHistory> HistoryOfAsync(SegmentName name, CancellationToken cancellationToken)
    {
        if (Histories.GetValueOrDefault(name.Timeline) is { } known)
        {
            return known;
        }
        try
        {
            return await lineage.Wal.GetHistoryAsync(name.Timeline, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            var number = name.Number(Size);
            if (number == 0 || !await lineage.Wal.HasSegmentAsync(SegmentName.Of(name.Timeline, number - 1, Size), cancellationToken))
            {
                throw;
            }
            logger.LogWarning("{Segment} is stored without its timeline's history: {Reason}", name, e.Line);
            return TimelineHistory.Initial(name.Timeline);
        }
    }

    // Null when it cannot be read, or does not pass: what is wrong with a stored segment does not keep later ones out.
    async Task<RecordWalker?> TryPassAsync(SegmentName name, TimelineHistory history, CancellationToken cancellationToken)
    {
        var walker = new RecordWalker(name.Start(Size), history, Size, lineage.Identity.SystemId);
        await using var walk = new SinkStream(bytes => walker.Append(bytes));
        try
        {
            await lineage.Wal.CopySegmentAsync(name, partial: false, walk, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            logger.LogWarning("what follows {Segment} is stored without a look at it: {Reason}", name, e.Line);
            return null;
        }
        if (walker.EndsWholeSegment)
        {
            return walker;
        }
        logger.LogWarning("{Segment} in the repository does not pass: {Defect}", name, walker.Defect);
        return null;
    }
}
