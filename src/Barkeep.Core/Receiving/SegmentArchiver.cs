using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Hooks;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Puts complete segments from the spool into the repository, and what they change, in the background: walks every page and record
/// first, removes the file only afterwards. Acknowledgements never wait for it, and receiving goes first when the processor is short: it has a
/// thread of its own, of lower priority. After a crash the spool itself is its queue.
/// </summary>
sealed class SegmentArchiver(WalSpool spool, Lineage lineage, ReceiverStateFile state, HookScripts hooks, TimeProvider clock, ILogger logger) : IDisposable
{
    const int Nice = 10;
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    readonly BlockingCollection<SegmentName> _queue = [];
    readonly Lock _lock = new();
    readonly HashSet<SegmentName> _pending = [];
    readonly Dictionary<TimelineId, Lsn> _ends = [];
    readonly SegmentIntake _intake = new(lineage, logger);

    /// <summary>What stops this work until the stream has been planned anew: damage, or other bytes in the repository. Called with the reason.</summary>
    public event Action<BarkeepException>? Failed;

    /// <summary>How far the repository reaches, by timeline: the end of its last complete segment, or the start of a later partial one.</summary>
    public IReadOnlyDictionary<TimelineId, Lsn> Ends
    {
        get
        {
            lock (_lock)
            {
                return new Dictionary<TimelineId, Lsn>(_ends);
            }
        }
    }

    /// <summary>Whether a segment is waiting here.</summary>
    public bool IsPending(SegmentName name)
    {
        lock (_lock)
        {
            return _pending.Contains(name);
        }
    }

    /// <summary>Takes a complete, durable segment.</summary>
    public void Enqueue(SegmentName name)
    {
        lock (_lock)
        {
            if (_pending.Add(name))
            {
                _queue.Add(name, CancellationToken.None);
            }
        }
    }

    /// <summary>Learns what is in the repository, once, before anything else.</summary>
    public async Task LearnAsync(CancellationToken cancellationToken)
    {
        var gaps = await lineage.Wal.ListGapsAsync(cancellationToken);
        // What is known to be damaged is to come again.
        foreach (var timeline in (await lineage.Wal.ListSegmentsAsync(cancellationToken)).Where(static s => !s.IsDamaged).GroupBy(static s => s.Name.Timeline))
        {
            await NoteStoredAsync(timeline.Key, [.. timeline], [.. gaps.Where(g => g.Timeline == timeline.Key)], cancellationToken);
        }
    }

    // Up to the first hole that is neither a known gap nor made by collection: somebody else may have put what comes after it, while the server still has
    // what is in it.
    async Task NoteStoredAsync(TimelineId timeline, IReadOnlyList<StoredSegment> segments, IReadOnlyList<Gap> gaps, CancellationToken cancellationToken)
    {
        Lsn? end = null;
        CollectedWal? collected = null;
        foreach (var segment in segments)
        {
            var start = segment.Name.Start(spool.SegmentSize);
            for (Gap? gap; end < start && (gap = gaps.FirstOrDefault(g => g.From.AlignDown(spool.SegmentSize.Bytes) <= end && end < g.To)) is not null;)
            {
                end = gap.To;
            }
            if (end < start && !(collected ??= await CollectedWal.LookAsync(lineage.Backups, logger, cancellationToken)).MayReachTo(start))
            {
                break;
            }
            end = Lsn.Max(end ?? start, segment.IsPartial ? start : segment.Name.End(spool.SegmentSize));
        }
        if (end is { } reached)
        {
            NoteReached(timeline, reached);
            state.Archived(reached);
        }
    }

    /// <summary>Works until cancelled.</summary>
    public Task RunAsync(CancellationToken stop) =>
        Task.Factory.StartNew(() => Run(stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    void Run(CancellationToken stop)
    {
        // Where that is not allowed it works at the usual priority.
        _ = NativeMethods.SetPriority(0, 0, Nice);
        try
        {
            foreach (var name in _queue.GetConsumingEnumerable(stop))
            {
                DoUntilDone(name, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // What is left in the spool is found by the next start.
        }
    }

    void DoUntilDone(SegmentName name, CancellationToken stop)
    {
        while (TryOnceAsync(name, stop).GetAwaiter().GetResult() is { } failure)
        {
            if (failure.Kind is ErrorKind.Damaged or ErrorKind.WalDiverged)
            {
                // What comes after must not get into the repository before this is settled: the next plan decides anew.
                lock (_lock)
                {
                    while (_queue.TryTake(out _))
                    {
                    }
                    _pending.Clear();
                }
                Failed?.Invoke(failure);
                return;
            }
            logger.LogWarning("{Segment} stays in the spool: {Reason}", name, failure.Line);
            stop.WaitHandle.WaitOne(Pause);
            stop.ThrowIfCancellationRequested();
        }
    }

    async Task<BarkeepException?> TryOnceAsync(SegmentName name, CancellationToken stop)
    {
        try
        {
            await ArchiveAsync(name, stop);
            return null;
        }
        catch (Exception e) when (e is BarkeepException or IOException or UnauthorizedAccessException)
        {
            return Errno.From(e, $"storing {name}");
        }
    }

    async Task ArchiveAsync(SegmentName name, CancellationToken stop)
    {
        var path = spool.PathOf(name);
        var variables = hooks.Has("archive") && File.Exists(path)
            ? HookVariables.OfSegment(name.ToString(), path, spool.SegmentSize.Bytes, File.GetLastWriteTimeUtc(path), compression: "")
            : null;
        if (variables is not null)
        {
            await hooks.BeforeAsync("archive", variables, stop);
        }
        // The segment, and what is derived from it; then the end of the file.
        if (await _intake.TryTakeAsync(name, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.SequentialScan), stop) is { } defect)
        {
            await SetAsideAsync(name, path, defect, stop);
        }
        if (variables is not null)
        {
            // Before the file goes, which they may want.
            await hooks.AfterAsync("archive", variables, null, stop);
        }
        File.Delete(path);
        lock (_lock)
        {
            _pending.Remove(name);
        }
        NoteEnd(name);
    }

    /// <summary>A damaged segment is received again, once; when it is damaged on the server too, its range becomes a gap.</summary>
    async Task SetAsideAsync(SegmentName name, string path, string defect, CancellationToken stop)
    {
        var again = File.Exists(path + SpoolNames.Damaged);
        var aside = SpoolNames.SetAside(path, SpoolNames.Damaged);
        if (again)
        {
            await lineage.Wal.RecordGapAsync(
                new(name.Timeline, name.Start(spool.SegmentSize), name.End(spool.SegmentSize), $"damaged on the server: {defect}", clock.GetUtcNow()), stop);
        }
        throw new BarkeepException(
            ErrorKind.Damaged,
            $"received WAL is damaged: {defect}; it is kept as {aside}",
            again ? "it is damaged on the server too: a gap is recorded, take a new backup" : "it is received again");
    }

    public void Dispose() => _queue.Dispose();

    /// <summary>Takes note that up to here nothing more will come.</summary>
    public void NoteReached(TimelineId timeline, Lsn end)
    {
        lock (_lock)
        {
            if (_ends.GetValueOrDefault(timeline) < end)
            {
                _ends[timeline] = end;
            }
        }
    }

    void NoteEnd(SegmentName name)
    {
        NoteReached(name.Timeline, name.End(spool.SegmentSize));
        state.Archived(name.End(spool.SegmentSize));
    }
}
