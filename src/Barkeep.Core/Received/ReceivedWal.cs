using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>All WAL received of one cluster, and how its timelines descend from one another.</summary>
public sealed class ReceivedWal
{
    readonly Dictionary<SegmentName, ReceivedSegment> _segments;

    /// <param name="histories">Of each timeline that has a history file.</param>
    public ReceivedWal(IEnumerable<ReceivedSegment> segments, IEnumerable<TimelineHistory> histories, IReadOnlyList<Gap> gaps, SegmentSize segmentSize)
    {
        _segments = segments.ToDictionary(static s => s.Name);
        Histories = histories.ToDictionary(static h => h.Timeline);
        Gaps = gaps;
        SegmentSize = segmentSize;
    }

    public SegmentSize SegmentSize { get; }

    public IReadOnlyDictionary<TimelineId, TimelineHistory> Histories { get; }

    /// <summary>Why segments are missing, where it is known.</summary>
    public IReadOnlyList<Gap> Gaps { get; }

    /// <summary>Timelines whose history files cannot be read, with what is wrong.</summary>
    public IReadOnlyDictionary<TimelineId, string> DamagedHistories { get; private init; } = new Dictionary<TimelineId, string>();

    /// <summary>What could not be read and may not be needed, one line each.</summary>
    public IReadOnlyList<string> Notes { get; private init; } = [];

    /// <summary>Segments whose stored copy is known to be damaged: it counts as missing.</summary>
    public IReadOnlySet<SegmentName> Damaged { get; init; } = new HashSet<SegmentName>();

    /// <summary>The segments in the repository, as they were listed; empty where nothing was.</summary>
    public IReadOnlyList<StoredSegment> Stored { get; private init; } = [];

    /// <summary>Looks at spool and repository; a receiver may be at work meanwhile.</summary>
    /// <param name="withDamaged">Whether segments that are known to be damaged count as here: for who looks again, or asks only what was derived from them.</param>
    public static async Task<ReceivedWal> ListAsync(WalArchive archive, WalSpool spool, CancellationToken cancellationToken, bool withDamaged = false)
    {
        // The spool first: a segment that moves meanwhile is then seen twice, not never.
        var segments = new Dictionary<SegmentName, ReceivedSegment>();
        var size = archive.SegmentSize.Bytes;
        foreach (var (name, length) in spool.List())
        {
            segments[name] = new(name, WalPlace.Spool, Math.Min(length, size), length >= size, Math.Min(length, size));
        }
        var inRepository = await archive.ListSegmentsAsync(cancellationToken);
        var damaged = new HashSet<SegmentName>();
        foreach (var stored in inRepository)
        {
            if (stored.IsDamaged && !withDamaged)
            {
                damaged.Add(stored.Name);
            }
            else if (!stored.IsPartial)
            {
                segments[stored.Name] = new(stored.Name, WalPlace.Repository, size, true, stored.StoredLength);
            }
            else if (!segments.TryGetValue(stored.Name, out var spooled)
                || (!spooled.IsComplete && await archive.TryGetPartialLengthAsync(stored.Name, cancellationToken) > spooled.Length))
            {
                // Mostly the spool has the same, or went on after a reconnection. But a standby that was promoted may have handed over more than came here, and a
                // server that is back on this timeline sends the segment from its beginning.
                segments[stored.Name] = new(stored.Name, WalPlace.Partial, size, false, stored.StoredLength);
            }
        }
        var (histories, unreadable) = await archive.ReadHistoriesAsync(cancellationToken);
        var (gaps, notes) = ((IReadOnlyList<Gap>)[], unreadable.Values.ToList());
        try
        {
            gaps = await archive.ListGapsAsync(cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            // Gaps show in the segments themselves; their records say only why.
            notes.Add(e.Message);
        }
        return new(segments.Values, histories.Values, gaps, archive.SegmentSize) { Notes = notes, Stored = inRepository, Damaged = damaged, DamagedHistories = unreadable };
    }

    /// <summary>All of which there is WAL or a history.</summary>
    public IEnumerable<TimelineId> Timelines => _segments.Keys.Select(static n => n.Timeline).Concat(Histories.Keys).Distinct();

    /// <summary>The newest timeline of which there is WAL. Where the server is, <see cref="PresentTimeline"/> says.</summary>
    public TimelineId NewestTimeline => _segments.Keys.Select(static n => n.Timeline).DefaultIfEmpty(TimelineId.First).Max();

    public bool TryGet(SegmentName name, out ReceivedSegment segment) => _segments.TryGetValue(name, out segment);

    /// <summary>The end of the last segment of a timeline that begins at or after a position, and before another if one is given; null when there is none.</summary>
    public Lsn? LastEnd(TimelineId timeline, Lsn from, Lsn? before = null)
    {
        Lsn? last = null;
        foreach (var name in _segments.Keys)
        {
            if (name.Timeline == timeline && name.Start(SegmentSize) >= from && !(name.Start(SegmentSize) >= before) && name.End(SegmentSize) > (last ?? Lsn.Invalid))
            {
                last = name.End(SegmentSize);
            }
        }
        return last;
    }

    /// <summary>The history of a timeline; without ancestors when its file is not here, or cannot be read.</summary>
    public TimelineHistory HistoryOf(TimelineId timeline) => Histories.GetValueOrDefault(timeline) ?? TimelineHistory.Initial(timeline);

    /// <summary>Why a segment is missing on a history, if that was recorded and it has not come since.</summary>
    public Gap? GapAt(TimelineHistory history, ulong number) =>
        Gaps.FirstOrDefault(g => g.From < SegmentSize.StartOf(number + 1) && g.To > SegmentSize.StartOf(number) && history.TimelineAt(g.From) == g.Timeline
            && !(TryGet(SegmentName.Of(g.Timeline, number, SegmentSize), out var own) && own.IsComplete));

    /// <summary>Where the first segment of a history begins that is here, at or after a position; null when there is none.</summary>
    internal Lsn? NextStart(TimelineHistory history, Lsn from)
    {
        Lsn? next = null;
        foreach (var name in _segments.Keys)
        {
            var start = name.Start(SegmentSize);
            if (start >= from && !(start >= next) && IsOf(history, name))
            {
                next = start;
            }
        }
        return next;
    }

    /// <summary>Where the last damaged segment of a history ends that begins at or after a position; null when there is none.</summary>
    internal Lsn? EndOfDamaged(TimelineHistory history, Lsn from) =>
        Damaged.Where(n => n.Start(SegmentSize) >= from && IsOf(history, n)).Select(n => (Lsn?)n.End(SegmentSize)).Max();

    /// <summary>The numbers of which a history has a segment here, ascending.</summary>
    internal IEnumerable<ulong> NumbersOf(TimelineHistory history) => _segments.Keys.Where(n => IsOf(history, n)).Select(n => n.Number(SegmentSize)).Distinct().Order();

    // What a timeline has before it began, or after it was left, is not the history's.
    bool IsOf(TimelineHistory history, SegmentName name)
    {
        var begin = Lsn.Invalid;
        foreach (var ancestor in history.Ancestors)
        {
            if (ancestor.Timeline == name.Timeline)
            {
                return name.Start(SegmentSize) < ancestor.End && name.End(SegmentSize) > begin;
            }
            begin = ancestor.End;
        }
        return name.Timeline == history.Timeline && name.End(SegmentSize) > begin;
    }
}
