using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// The WAL that leads from a backup's begin along one history as far as it was received: segment by segment without a gap.
/// </summary>
public sealed record WalRoute
{
    public required TimelineHistory History { get; init; }

    public required SegmentSize SegmentSize { get; init; }

    /// <summary>In order.</summary>
    public required IReadOnlyList<WalPart> Parts { get; init; }

    /// <summary>Where the received bytes end; after <see cref="WalReading.TrimAsync"/> the end of the last whole record.</summary>
    public required Lsn End { get; init; }

    /// <summary>The first segment that is not there.</summary>
    public required SegmentName Missing { get; init; }

    /// <summary>Where the received bytes end, whole records or not; unlike <see cref="End"/> it stays.</summary>
    public Lsn ReceivedEnd { get; init; }

    /// <summary>After <see cref="WalReading.TrimAsync"/> where the last whole record begins; invalid when there is none.</summary>
    public Lsn LastRecord { get; init; }

    /// <summary>What is wrong with the bytes after <see cref="End"/>; null when they are but the beginning of a record.</summary>
    public WalDefect? Defect { get; init; }

    /// <summary>Whether it comes to where its timeline begins: otherwise recovery could not go on there.</summary>
    public bool IsOnItsTimeline => History.Ancestors.Count == 0 || End >= History.Ancestors[^1].End;

    /// <summary>Chooses the timeline and lists its WAL. The newest timeline that descends from the backup wins: it is what the server became.</summary>
    /// <param name="wanted">This timeline instead; null for the newest.</param>
    /// <returns>Null when no known history holds the backup, or not the wanted one.</returns>
    public static WalRoute? Choose(ReceivedWal received, TimelineId timeline, Lsn begin, Lsn end, TimelineId? wanted)
    {
        WalRoute? chosen = null;
        var histories = received.Histories.ContainsKey(timeline) ? received.Histories.Values : received.Histories.Values.Append(TimelineHistory.Initial(timeline));
        foreach (var history in histories.OrderBy(static h => h.Timeline))
        {
            if ((wanted is { } only && history.Timeline != only) || !history.Contains(timeline, end))
            {
                continue;
            }
            var route = Follow(received, history, begin);
            // A timeline whose beginning cannot be reached leads nowhere.
            if (chosen is null || route.IsOnItsTimeline)
            {
                chosen = route;
            }
        }
        return chosen;
    }

    /// <summary>The timelines besides its own to whose beginning recovery from a backup comes, ascending.</summary>
    public static IReadOnlyList<TimelineId> ReachableFrom(ReceivedWal received, TimelineId timeline, Lsn begin, Lsn end) =>
    [
        .. received.Histories.Values.Where(h => h.Timeline != timeline && h.Contains(timeline, end) && Follow(received, h, begin).IsOnItsTimeline).Select(static h => h.Timeline).Order(),
    ];

    /// <summary>Where the WAL of this history ends that was received beyond a gap; null when nothing of it is, whatever there is of other branches.</summary>
    public Lsn? EndBeyondGap(ReceivedWal received)
    {
        var from = Missing.End(SegmentSize);
        var last = received.LastEnd(History.Timeline, from);
        foreach (var ancestor in History.Ancestors)
        {
            if (received.LastEnd(ancestor.Timeline, from, ancestor.End) is { } end && !(last >= end))
            {
                last = end;
            }
        }
        return last;
    }

    /// <summary>What is missing where the route ends; null when its history goes no further yet.</summary>
    public MissingWal? FindMissing(ReceivedWal received) => MissingWal.Find(received, History, Missing.Number(SegmentSize));

    /// <summary>The same without what is not needed to read up to a position, the end of a record.</summary>
    public WalRoute Until(Lsn end)
    {
        var parts = new List<WalPart>();
        foreach (var part in Parts)
        {
            var keep = end - part.Segment.Name.Start(SegmentSize);
            if (keep > 0)
            {
                parts.Add(part with { Keep = (int)Math.Min(part.Keep, keep) });
            }
        }
        return this with { Parts = parts, End = end };
    }

    static WalRoute Follow(ReceivedWal received, TimelineHistory history, Lsn begin)
    {
        var size = received.SegmentSize;
        var number = size.NumberOf(begin);
        var parts = new List<WalPart>();
        var end = size.StartOf(number);
        while (Find(received, history, number) is { } part)
        {
            parts.Add(part);
            end = size.StartOf(number) + part.Keep;
            if (!part.IsWhole(size))
            {
                break;
            }
            number++;
        }
        // Where its timeline was left within the segment, the one that is missing is the next timeline's.
        var at = end < size.StartOf(number + 1) ? end : size.StartOf(number);
        return new() { History = history, SegmentSize = size, Parts = parts, End = end, ReceivedEnd = end, Missing = SegmentName.Of(history.TimelineAt(at), number, size) };
    }

    // As recovery looks for it (xlogrecovery.c, XLogFileReadAnyTLI): on the newest timeline that had begun by the segment's end.
    internal static WalPart? Find(ReceivedWal received, TimelineHistory history, ulong number)
    {
        var size = received.SegmentSize;
        var (start, next) = (size.StartOf(number), size.StartOf(number + 1));
        var end = next;
        for (var i = history.Ancestors.Count; i >= 0; i--)
        {
            var timeline = i == history.Ancestors.Count ? history.Timeline : history.Ancestors[i].Timeline;
            if (i < history.Ancestors.Count)
            {
                end = Lsn.Min(next, history.Ancestors[i].End);
            }
            var begin = i == 0 ? Lsn.Invalid : history.Ancestors[i - 1].End;
            if (begin >= next || end <= start)
            {
                continue;
            }
            // Where a timeline has not got beyond its own beginning yet, its parent has as much or more.
            if (received.TryGet(SegmentName.Of(timeline, number, size), out var segment) && start + segment.Length > begin)
            {
                return new(segment, (int)Math.Min(segment.Length, end - start));
            }
        }
        return null;
    }
}
