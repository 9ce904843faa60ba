using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Decides where to stream from: after the newest WAL that is held of the history the server is on. Where the server has
/// branched off before the end of what is held, the new timeline is followed from the fork on, and the old one is kept.
/// </summary>
/// <param name="archivedEnds">How far the repository reaches, by timeline.</param>
/// <param name="reachedEnds">Where timelines have been received to their end, as the server said.</param>
sealed class StreamPlanner(
    WalArchive archive, SegmentSize size, IReadOnlyDictionary<TimelineId, Lsn> archivedEnds, IReadOnlyDictionary<TimelineId, Lsn> reachedEnds, ILogger logger)
{
    /// <param name="history">That of the timeline the server is on.</param>
    /// <param name="spooled">What the spool holds, ascending.</param>
    /// <param name="first">Where to begin when nothing of this history is held.</param>
    public async Task<StreamPlan> PlanAsync(
        TimelineHistory history, IReadOnlyList<SpooledSegment> spooled, Func<(TimelineId Timeline, Lsn Position)> first, CancellationToken cancellationToken)
    {
        var held = await FindHeldAsync(history, spooled, cancellationToken);
        if (held is not { } at)
        {
            var (timeline, position) = first();
            var begin = position.AlignDown(size.Bytes);
            at = new(timeline, begin, begin);
        }
        var again = new Dictionary<SegmentName, SpooledSegment>();
        var (finished, ended) = (new List<SpooledSegment>(), new List<SpooledSegment>());
        foreach (var segment in spooled)
        {
            if (segment.Name.Timeline == at.Timeline && segment.Name.Start(size) >= at.Position)
            {
                again.Add(segment.Name, segment);
            }
            else
            {
                (segment.IsComplete ? finished : ended).Add(segment);
            }
        }
        return new(at, held is not null, again, finished, ended);
    }

    async Task<StartPoint?> FindHeldAsync(TimelineHistory history, IReadOnlyList<SpooledSegment> spooled, CancellationToken cancellationToken)
    {
        var gaps = await archive.ListGapsAsync(cancellationToken);
        // Newest first: what is held of a younger timeline lies after the fork from its parent.
        var (timeline, end, child) = (history.Timeline, (Lsn?)null, history.Timeline);
        for (var i = history.Ancestors.Count; ; i--)
        {
            if (await HeldAsync(timeline, spooled, gaps, cancellationToken) is { } holding)
            {
                return end is not { } fork || holding.Point.Held < fork ? holding.Point
                    : holding.AfterGap && holding.Point.Position > fork ? holding.Point with { Timeline = history.TimelineAt(holding.Point.Position) }
                    : new(child, fork.AlignDown(size.Bytes), fork);
            }
            if (i == 0)
            {
                return null;
            }
            child = timeline;
            (timeline, end) = (history.Ancestors[i - 1].Timeline, history.Ancestors[i - 1].End);
        }
    }

    /// <summary>What is held of a timeline, and whether that ends with a gap; null when nothing is.</summary>
    async Task<(StartPoint Point, bool AfterGap)?> HeldAsync(TimelineId timeline, IReadOnlyList<SpooledSegment> spooled, IReadOnlyList<Gap> gaps, CancellationToken cancellationToken)
    {
        var files = spooled.Where(s => s.Name.Timeline == timeline).ToDictionary(s => s.Name);
        if (!archivedEnds.TryGetValue(timeline, out var position))
        {
            if (files.Count == 0 && gaps.All(g => g.Timeline != timeline))
            {
                return null;
            }
            position = files.Count > 0 ? files.Keys.Min().Start(size) : gaps.Where(g => g.Timeline == timeline).Max(g => g.From).AlignDown(size.Bytes);
        }
        // What somebody else has put into the repository may lie beyond what was received, with a hole between.
        var (afterGap, jumped) = (false, false);
        foreach (var name in files.Keys.Where(n => n.Start(size) < position).Order())
        {
            if (!await archive.HasSoundSegmentAsync(name, cancellationToken))
            {
                (position, jumped) = (name.Start(size), true);
                break;
            }
        }
        // Over complete segments and known gaps to the first segment that must come.
        while (true)
        {
            var gap = gaps.LastOrDefault(g => g.Timeline == timeline && g.From.AlignDown(size.Bytes) <= position && position < g.To);
            var next = SegmentName.Containing(timeline, position, size);
            if (gap is not null)
            {
                (position, afterGap, jumped) = (gap.To, true, true);
            }
            else if ((files.TryGetValue(next, out var file) && file.IsComplete) || (jumped && await archive.HasSoundSegmentAsync(next, cancellationToken)))
            {
                (position, afterGap) = (next.End(size), false);
            }
            else
            {
                return (new(timeline, position, await EndOfPartAsync(next, file, cancellationToken)), afterGap);
            }
        }
    }

    /// <summary>How far the last, incomplete segment is held: in the spool, or in the repository since its timeline ended.</summary>
    async Task<Lsn> EndOfPartAsync(SegmentName name, SpooledSegment? file, CancellationToken cancellationToken)
    {
        var start = name.Start(size);
        if (file is null)
        {
            if (!await archive.HasPartialAsync(name, cancellationToken))
            {
                return start;
            }
            var walker = new RecordWalker(start, await archive.GetHistoryAsync(name.Timeline, cancellationToken), size, null);
            await using var walk = new SinkStream(bytes => walker.Append(bytes));
            try
            {
                var length = await archive.CopySegmentAsync(name, partial: true, walk, cancellationToken);
                return Reached(name, start + length, walker.ValidEnd);
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
            {
                logger.LogWarning("the stored part of {Segment} cannot be used, the segment is received from its beginning: {Reason}", name, e.Line);
                return start;
            }
        }
        return Reached(name, start + file.Length, start + file.ValidLength);
    }

    Lsn Reached(SegmentName name, Lsn received, Lsn valid) =>
        reachedEnds.TryGetValue(name.Timeline, out var end) && end <= received ? Lsn.Max(end, valid) : valid;
}
