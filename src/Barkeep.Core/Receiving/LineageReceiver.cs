using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>Receives the WAL of one database cluster: each attempt connects, plans from what is on disk, and streams as far as it goes.</summary>
sealed class LineageReceiver : IDisposable
{
    static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(10);

    readonly ServerConfig _config;
    readonly ConnectionTarget _target;
    readonly Lineage _lineage;
    readonly WalSpool _spool;
    readonly SegmentArchiver _archiver;
    readonly SlotKeeper _slot;
    readonly ReceiverStateFile _state;
    readonly TimeProvider _clock;
    readonly ILogger _logger;
    readonly Dictionary<TimelineId, Lsn> _reachedEnds = [];
    bool _walWasMissing;
    bool _slotWasLost;
    volatile StreamSession? _session;

    public LineageReceiver(ServerConfig config, Lineage lineage, WalSpool spool, ReceiverStateFile state, HookScripts hooks, TimeProvider clock, ILogger logger)
    {
        _config = config;
        _target = ConnectionTarget.ForStreaming(config);
        _lineage = lineage;
        _spool = spool;
        _archiver = new(spool, lineage, state, hooks, clock, logger);
        _archiver.Failed += reason => _session?.Fail(reason);
        _slot = new(config, logger);
        _state = state;
        _clock = clock;
        _logger = logger;
    }

    SegmentSize Size => _lineage.Identity.SegmentSize;

    /// <summary>Whether the last attempt got further than what was held before it.</summary>
    public bool HasProgressed { get; private set; }

    /// <summary>Learns what is in the repository: to be called first.</summary>
    public Task LearnAsync(CancellationToken stop) => _archiver.LearnAsync(stop);

    /// <summary>Puts complete segments into the repository until cancelled.</summary>
    public Task ArchiveAsync(CancellationToken stop) => _archiver.RunAsync(stop);

    /// <summary>One attempt, until the stream ends: at a timeline's end, or because <paramref name="stop"/> asked for it.</summary>
    /// <exception cref="BarkeepException">Why it failed; trying again is up to the caller.</exception>
    public async Task AttemptAsync(CancellationToken stop)
    {
        HasProgressed = false;
        await using var connection = await ReplicationConnection.ConnectAsync(_target, stop);

        // Is it the cluster whose WAL is held here? Until that is known, nothing is written.
        var identity = await connection.IdentifySystemAsync(stop);
        var found = new ClusterIdentity(identity.SystemId, connection.MajorVersion, await connection.ShowSegmentSizeAsync(stop));
        if (found != _lineage.Identity)
        {
            throw Repository.WrongSystem(_lineage.Identity, found);
        }

        // The way the server came to be where it is, and the way on from what is held.
        var history = await KeepHistoriesAsync(connection, identity.Timeline, stop);
        _state.Found(identity.Timeline);
        var (hasSlot, slot) = await FindSlotAsync(connection, stop);
        var plan = await PlanAsync(history, identity, slot, stop);
        var isBehind = plan.Start.Position > identity.Flushed && (identity = await connection.IdentifySystemAsync(stop)).Flushed < plan.Start.Position;
        await ProveAsync(plan, history, identity.Flushed, hasSlot, stop);
        if (!hasSlot)
        {
            // Only now: a slot keeps WAL that differs for good, and what is after it could never be received. What the server removes until then is a gap.
            slot = await _slot.EnsureAsync(connection, _slotWasLost || _walWasMissing, stop);
            plan = plan.GoesOn ? plan : await PlanAsync(history, identity, slot, stop);
        }
        _slotWasLost = false;
        if (_walWasMissing && await RecordGapAsync(history, identity, plan, stop))
        {
            return;
        }
        if (isBehind)
        {
            throw new BarkeepException(
                ErrorKind.WalTimeout,
                $"the server's WAL ends at {identity.Flushed}, before what was received already: {plan.Start.Position} on timeline {plan.Start.Timeline}",
                $"a standby that lags catches up; a server may have been put back to an earlier state: {HeldProof.NewTimeline}");
        }
        await SettleAsync(plan, stop);
        await StreamAsync(connection, plan, stop);
    }

    async Task<TimelineHistory> KeepHistoriesAsync(ReplicationConnection connection, TimelineId timeline, CancellationToken stop)
    {
        if (timeline == TimelineId.First)
        {
            return TimelineHistory.Initial(timeline);
        }
        var content = await connection.TimelineHistoryAsync(timeline, stop)
            ?? throw new BarkeepException(ErrorKind.WalGap, $"the server is on timeline {timeline} and has no {timeline.HistoryFileName}", "copy that file into its pg_wal, from another server of the cluster or from an archive");
        TimelineHistory history;
        try
        {
            history = TimelineHistory.Parse(timeline, content);
        }
        catch (FormatException e)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"the server's {timeline.HistoryFileName} cannot be read: {e.Message}", "put a sound one into its pg_wal, from another server of the cluster or from an archive", e);
        }
        if (await _lineage.Wal.PutHistoryAsync(timeline, content, stop))
        {
            _logger.LogInformation("kept {History}", timeline.HistoryFileName);
        }
        foreach (var ancestor in history.Ancestors)
        {
            if (ancestor.Timeline > TimelineId.First
                && !await _lineage.Wal.HasSoundHistoryAsync(ancestor.Timeline, stop)
                && await connection.TimelineHistoryAsync(ancestor.Timeline, stop) is { } older)
            {
                await _lineage.Wal.PutHistoryAsync(ancestor.Timeline, older, stop);
            }
        }
        return history;
    }

    /// <summary>Whether the server has a slot that can be used, and where it stands, if that was asked.</summary>
    async Task<(bool HasSlot, SlotPosition? Position)> FindSlotAsync(ReplicationConnection connection, CancellationToken stop)
    {
        if (connection.MajorVersion < 15 && !_slotWasLost && !_walWasMissing && _archiver.Ends.Count > 0)
        {
            // Asking costs a second connection there; that the slot is missing shows at START_REPLICATION too.
            return (true, null);
        }
        var slot = await _slot.FindAsync(connection, _slotWasLost || _walWasMissing, stop);
        return (slot is not null, slot);
    }

    /// <summary>Compares the end of what is held with the server's WAL.</summary>
    /// <exception cref="BarkeepException">WalDiverged.</exception>
    async Task ProveAsync(StreamPlan plan, TimelineHistory history, Lsn flushed, bool hasSlot, CancellationToken stop)
    {
        var start = plan.Start;
        if (flushed < start.Position)
        {
            // Where it has written other WAL already, it will not catch up.
            await HeldProof.CheckAsync(_target, _lineage, history.TimelineAt(new(flushed.Value - 1)), flushed, HeldProof.Behind, _logger, stop);
        }
        else if (start.Held > start.Position)
        {
            // Once it streams by the slot, that is compared as it comes.
            if (!hasSlot && plan.Again.TryGetValue(SegmentName.Containing(start.Timeline, start.Position, Size), out var tail))
            {
                _walWasMissing |= await HeldProof.CheckTailAsync(_target, _spool, tail, flushed, _logger, stop) == HeldAnswer.Removed;
            }
        }
        else if (history.TimelineAt(new(start.Position.Value - 1)) == start.Timeline)
        {
            await ProveLastAsync(start, stop);
        }
    }

    /// <summary>Compares the complete segment before a position. That it differed is remembered for the time when the server has removed its own.</summary>
    async Task ProveLastAsync(StartPoint start, CancellationToken stop)
    {
        var path = PathBefore(start);
        try
        {
            var answer = await HeldProof.CheckAsync(_target, _lineage, start.Timeline, start.Position, HeldProof.Ahead, _logger, stop);
            if (answer == HeldAnswer.Equal)
            {
                File.Delete(path + SpoolNames.Foreign);
            }
            else if (File.Exists(path + SpoolNames.Foreign))
            {
                _walWasMissing = answer == HeldAnswer.Removed
                    ? true
                    : throw new BarkeepException(ErrorKind.WalDiverged, $"{Path.GetFileName(path)} differed from the server's and cannot be compared now", HeldProof.Ahead);
            }
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.WalDiverged)
        {
            SpoolNames.Mark(path, SpoolNames.Foreign);
            throw;
        }
    }

    string PathBefore(StartPoint start) => _spool.PathOf(SegmentName.Containing(start.Timeline, new(start.Position.Value - 1), Size));

    async Task<StreamPlan> PlanAsync(TimelineHistory history, SystemIdentity identity, SlotPosition? slot, CancellationToken stop)
    {
        var spooled = await SpoolScan.RunAsync(_spool, _lineage, _archiver.IsPending, stop);
        var planner = new StreamPlanner(_lineage.Wal, Size, ArchivedAndPending(), _reachedEnds, _logger);
        return await planner.PlanAsync(
            history,
            spooled,
            () =>
            {
                var restart = slot is { RestartLsn.IsValid: true } kept ? kept.RestartLsn : identity.Flushed;
                return (slot?.RestartTimeline ?? history.TimelineAt(restart.AlignDown(Size.Bytes)), restart);
            },
            stop);
    }

    /// <summary>What waits for the repository counts as there: it is complete and durable.</summary>
    Dictionary<TimelineId, Lsn> ArchivedAndPending()
    {
        var ends = new Dictionary<TimelineId, Lsn>(_archiver.Ends);
        foreach (var (name, _) in _spool.List())
        {
            if (_archiver.IsPending(name) && ends.GetValueOrDefault(name.Timeline) < name.End(Size))
            {
                ends[name.Timeline] = name.End(Size);
            }
        }
        return ends;
    }

    /// <summary>Finds out what the server has removed, keeps what is held before it, and records that the rest will never come.</summary>
    /// <returns>Whether there is a gap; the next attempt starts after it.</returns>
    async Task<bool> RecordGapAsync(TimelineHistory history, SystemIdentity identity, StreamPlan plan, CancellationToken stop)
    {
        var start = plan.Start;
        var earliest = await EarliestWal.FindAsync(_target, history, Size, start.Position, identity.Flushed, stop);
        _walWasMissing = false;
        var foreign = PathBefore(start) + SpoolNames.Foreign;
        if (earliest <= start.Position)
        {
            if (start.Held > start.Position || !File.Exists(foreign))
            {
                return false;
            }
            // What the server has is there without a hole, and does not follow: a hole is what every reader of the WAL stops at.
            earliest = start.Position + Size.Bytes;
        }
        // What somebody has put into the repository beyond is not missing.
        var stored = (await _lineage.Wal.ListSegmentsAsync(stop)).Where(s => s is { IsPartial: false, IsDamaged: false } && s.Name.Timeline == start.Timeline).Select(s => s.Name.Start(Size));
        earliest = stored.Where(s => s >= start.Position).Append(earliest).Min();
        if (earliest <= start.Held)
        {
            return false;
        }
        await SettleAsync(plan with { Ended = [.. plan.Ended, .. plan.Again.Values.Where(s => s.Name.Start(Size) < earliest && !s.IsComplete)] }, stop);
        var gap = new Gap(start.Timeline, start.Held, earliest, $"the server had removed it before it was received (slot {_config.SlotName})", _clock.GetUtcNow());
        await _lineage.Wal.RecordGapAsync(gap, stop);
        File.Delete(foreign);
        _logger.LogError("GAP: WAL is missing, {Gap}; no restore crosses it: take a new backup", gap);
        return true;
    }

    /// <summary>Files away what the spool holds and will not be received again.</summary>
    async Task SettleAsync(StreamPlan plan, CancellationToken stop)
    {
        foreach (var segment in plan.Ended)
        {
            var path = _spool.PathOf(segment.Name);
            if (segment.Length > 0)
            {
                // On the way that is received, nothing is left behind but what a gap follows.
                var because = segment.Name.Timeline == plan.Start.Timeline ? "the WAL that follows it is missing" : "its timeline goes on elsewhere";
                await KeepPartialAsync(segment, path, because, stop);
                _archiver.NoteReached(segment.Name.Timeline, segment.Name.Start(Size));
            }
            File.Delete(path);
            File.Delete(path + SpoolNames.Suspect);
        }
        foreach (var segment in plan.Finished)
        {
            _archiver.Enqueue(segment.Name);
        }
    }

    async Task KeepPartialAsync(SpooledSegment segment, string path, string because, CancellationToken stop)
    {
        try
        {
            // Nothing is to be said of what is in the repository already, as much or more of it.
            if (await new PartialIntake(_lineage).PutAsync(segment.Name, await File.ReadAllBytesAsync(path, stop), segment.Length, stop))
            {
                _logger.LogInformation("kept {Segment}.partial, {Length} bytes: {Because}", segment.Name, segment.Length, because);
            }
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.WalDiverged)
        {
            var aside = SpoolNames.SetAside(path, SpoolNames.Diverged);
            _logger.LogError("{Segment}.partial is in the repository with other bytes: this one is kept as {Aside}", segment.Name, aside);
        }
    }

    async Task StreamAsync(ReplicationConnection connection, StreamPlan plan, CancellationToken stop)
    {
        using var tail = new Tail(_spool, plan.Start, plan.Again, _archiver.Enqueue);
        try
        {
            if (await connection.StartAsync(_config.SlotName, plan.Start.Position, plan.Start.Timeline, stop) is { } end)
            {
                _reachedEnds[plan.Start.Timeline] = end.SwitchPoint;
                return;
            }
            using var session = new StreamSession(connection, tail, plan.Start.Timeline, StatusInterval, _config.ReceiveTimeout, _state, _clock);
            _session = session;
            _state.Progress(plan.Start.Timeline, plan.Start.Position, tail.Claimed, default, null);
            _state.Enter(ReceiverPhase.Streaming);
            try
            {
                if (await session.RunAsync(stop) is { } reached)
                {
                    _logger.LogInformation("timeline {Timeline} ended at {Position}; timeline {Next} follows", plan.Start.Timeline, reached.SwitchPoint, reached.NextTimeline);
                    _reachedEnds[plan.Start.Timeline] = reached.SwitchPoint;
                }
            }
            finally
            {
                HasProgressed = tail.Claimed > plan.Start.Held;
                _session = null;
            }
        }
        catch (BarkeepException e)
        {
            _walWasMissing = e.Kind == ErrorKind.WalGap;
            _slotWasLost = e.Kind == ErrorKind.SlotMissing;
            throw;
        }
    }

    public void Dispose() => _archiver.Dispose();
}
