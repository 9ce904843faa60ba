using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Verification;

/// <summary>
/// Walks all WAL that restores of some backups may need, along every timeline that descends from them, up to the tail: the hash of each frame,
/// the CRC of each record and its link to the one before.
/// </summary>
sealed class WalVerification(Lineage lineage, WalSpool spool, ReceivedWal received, PresentTimeline present, int jobs, Action<long> advance)
{
    /// <summary>Segments that one thread walks in a row; it looks into the next one too, where the last record ends.</summary>
    const int Stretch = 32;

    readonly WalReading _reading = new(lineage.Wal, spool, lineage.Identity.SystemId);
    readonly ConcurrentDictionary<(TimelineId, Lsn), HurtWal> _hurt = new();
    readonly HashSet<WalPart> _seen = [];

    SegmentSize Size => received.SegmentSize;

    /// <summary>Why it could not be written down that stored segments are hurt; null when it could.</summary>
    public string? MarkFailure { get; private set; }

    public IReadOnlyCollection<HurtWal> Hurt => [.. _hurt.Values.OrderBy(static h => h.From)];

    /// <summary>Of each timeline that there is, or on which one of the backups is.</summary>
    public IReadOnlyList<TimelineHistory> HistoriesOf(IEnumerable<BackupInfo> backups) =>
    [
        .. received.Histories.Values,
        .. backups.Select(static b => b.TimelineId).Distinct().Where(t => !received.Histories.ContainsKey(t)).Select(TimelineHistory.Initial),
    ];

    /// <summary>How many were walked; one that timelines share counts once.</summary>
    public int Segments => _seen.Count;

    /// <summary>Whether a stored segment was among them: it was read to its end.</summary>
    public bool HasWalked(StoredSegment segment) =>
        _seen.Any(p => p.Segment.Name == segment.Name && p.Segment.Place == (segment.IsPartial ? WalPlace.Partial : WalPlace.Repository));

    /// <summary>The routes to walk, the one that a restore of the newest of the backups chooses first.</summary>
    public IReadOnlyList<WalRoute> FindRoutes(IReadOnlyList<BackupInfo> backups)
    {
        var routes = new List<WalRoute>();
        if (backups.Count == 0)
        {
            return routes;
        }
        var newest = backups.MaxBy(static b => b.EndTime)!;
        var chosen = present.RouteFrom(newest)?.History.Timeline;
        foreach (var timeline in HistoriesOf(backups).Select(static h => h.Timeline).Order().OrderBy(t => t == chosen ? 0 : 1))
        {
            var routesOfIt = backups.Select(b => WalRoute.Choose(received, b.TimelineId, b.BeginLsn, b.EndLsn, timeline)).OfType<WalRoute>();
            // One that begins earlier and gets as far holds the others; behind a hole each later one has more.
            foreach (var route in routesOfIt.OrderBy(static r => r.Parts.Count == 0 ? r.End : r.Parts[0].Segment.Name.Start(r.SegmentSize)))
            {
                if (!routes.Any(r => r.History.Timeline == timeline && r.End >= route.End && r.Parts.Count > 0))
                {
                    routes.Add(route);
                }
            }
        }
        return routes;
    }

    /// <summary>How many bytes a walk of these will announce.</summary>
    public static long LengthOf(IEnumerable<WalRoute> routes) => routes.SelectMany(static r => r.Parts).Distinct().Sum(static p => (long)p.Keep);

    /// <summary>Walks a route.</summary>
    /// <returns>Where the WAL ends that is whole from the route's begin on.</returns>
    public async Task<Lsn> RunAsync(WalRoute route, CancellationToken cancellationToken)
    {
        var stretches = new List<int>();
        for (var first = 0; first < route.Parts.Count; first += Stretch)
        {
            if (route.Parts.Skip(first).Take(Stretch).Any(p => !_seen.Contains(p)))
            {
                stretches.Add(first);
            }
        }
        var unseen = route.Parts.Where(p => !_seen.Contains(p)).ToHashSet();
        var ends = new ConcurrentBag<Lsn>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(stretches, options, async (first, token) => ends.Add(await WalkAsync(route, first, unseen, token)));
        _seen.UnionWith(unseen);
        var hurt = _hurt.Values.Where(h => route.Parts.Any(p => p.Segment == h.Segment)).Select(static h => h.From).ToList();
        return hurt.Count > 0 ? hurt.Min() : ends.IsEmpty ? route.End : ends.Max();
    }

    async Task<Lsn> WalkAsync(WalRoute route, int first, HashSet<WalPart> unseen, CancellationToken cancellationToken)
    {
        var last = Math.Min(first + Stretch, route.Parts.Count);
        var boundary = route.Parts[last - 1].Segment.Name.End(Size);
        RecordWalker? walker = null;
        var end = Lsn.Invalid;
        for (var i = first; i < route.Parts.Count && (i < last || walker?.ValidEnd <= boundary); i++)
        {
            var part = route.Parts[i];
            var start = part.Segment.Name.Start(Size);
            walker ??= new(start, route.History, Size, lineage.Identity.SystemId);
            var failure = await TryWalkAsync(walker, part, cancellationToken);
            end = Lsn.Max(end, walker.ValidEnd);
            if (failure is not null)
            {
                await ReportAsync(new(part.Segment, failure.Message, failure.Kind, start), cancellationToken);
            }
            else if (walker.Defect is { } defect && !IsMereEnd(defect, i == route.Parts.Count - 1 ? part : null))
            {
                await ReportAsync(new(part.Segment, $"{defect}", ErrorKind.Damaged, defect.Position), cancellationToken);
            }
            if (i < last && unseen.Contains(part))
            {
                advance(part.Keep);
            }
            if (failure is not null || walker.Defect is not null)
            {
                // The next segment is looked at by itself, and what lies behind the boundary by somebody else.
                if (i >= last)
                {
                    break;
                }
                walker = null;
            }
        }
        return end;
    }

    // What a crash of the machine leaves behind the last flush: zeros, in the spool only.
    static bool IsMereEnd(WalDefect defect, WalPart? last) => defect.Kind == WalDefectKind.EndOfWal && last is { Segment.Place: WalPlace.Spool };

    async Task<BarkeepException?> TryWalkAsync(RecordWalker walker, WalPart part, CancellationToken cancellationToken)
    {
        try
        {
            await using var walking = new SinkStream(bytes => walker.Append(bytes), part.Keep);
            await _reading.CopyAsync(part.Segment, walking, cancellationToken);
            return null;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.Storage)
        {
            return e;
        }
    }

    // A restore is to know beforehand what it would find. At once: until the verification ends, the receiver may have got the segment again.
    async Task ReportAsync(HurtWal hurt, CancellationToken cancellationToken)
    {
        if (!_hurt.TryAdd((hurt.Segment.Name.Timeline, hurt.From), hurt) || !hurt.CanBeMarked)
        {
            return;
        }
        try
        {
            await lineage.Wal.MarkDamagedAsync(hurt.Segment.Name, hurt.Segment.Place == WalPlace.Partial, hurt.How, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Storage or ErrorKind.DiskFull)
        {
            MarkFailure = e.Message;
        }
    }
}
