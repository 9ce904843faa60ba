using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Targets;

/// <summary>What of a cluster can be restored: of each timeline, from when to when.</summary>
public sealed class RecoveryWindows
{
    readonly Lineage _lineage;
    readonly WalSpool _spool;
    readonly ReceivedWal _received;
    IReadOnlyList<BackupRecord> _backups;
    readonly List<string> _notes = [];

    RecoveryWindows(Lineage lineage, WalSpool spool, ReceivedWal received, IEnumerable<BackupRecord> backups)
    {
        (_lineage, _spool, _received) = (lineage, spool, received);
        _backups = [.. backups.Where(static b => b.Info is not null).OrderBy(static b => b.Info!.BeginLsn)];
    }

    /// <summary>By timeline, and within one in order. One that another timeline's window holds whole is left out: what was before a promotion.</summary>
    public IReadOnlyList<RecoveryWindow> All { get; private set; } = [];

    /// <summary>What cannot be restored and why, one line each.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <param name="received">As it was listed just before.</param>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static async Task<RecoveryWindows> ListAsync(
        Lineage lineage, WalSpool spool, ReceivedWal received, IReadOnlyList<BackupRecord> backups, CancellationToken cancellationToken)
    {
        var windows = new RecoveryWindows(lineage, spool, received, backups);
        await windows.ListAsync(cancellationToken);
        return windows;
    }

    async Task ListAsync(CancellationToken cancellationToken)
    {
        _notes.AddRange(_received.Notes);
        await LeaveOutDamagedAsync(cancellationToken);
        var timelines = _received.Histories.Keys.Concat(_backups.Select(static b => b.Info!.TimelineId)).Distinct().Order();
        var all = new List<RecoveryWindow>();
        foreach (var timeline in timelines)
        {
            all.AddRange(await OfTimelineAsync(timeline, cancellationToken));
        }
        All = [.. all.Where(w => !all.Any(other => Holds(other, w)))];
        foreach (var backup in _backups.Where(b => !all.Any(w => w.Backups.Contains(b))))
        {
            _notes.Add($"backup {backup.Id} cannot be restored: not all of the WAL from {backup.Info!.BeginLsn} to {backup.Info.EndLsn} is here and sound");
        }
    }

    async Task LeaveOutDamagedAsync(CancellationToken cancellationToken)
    {
        var hurt = await HurtPacks.ReadAsync(_lineage, cancellationToken);
        var sound = new List<BackupRecord>();
        foreach (var backup in _backups)
        {
            if (await hurt.FindAsync(backup.Id, cancellationToken) is { Count: > 0 } packs)
            {
                _notes.Add($"backup {backup.Id} cannot be restored: it {HurtPacks.Tell(packs)}");
            }
            else
            {
                sound.Add(backup);
            }
        }
        _backups = sound;
    }

    // Another, later history that went on from this one's end or from later.
    static bool Holds(RecoveryWindow other, RecoveryWindow window) =>
        other.Timeline > window.Timeline && other.From <= window.From && other.To >= window.To && other.Route.History.Contains(window.Timeline, window.To);

    async Task<IReadOnlyList<RecoveryWindow>> OfTimelineAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        var windows = new List<RecoveryWindow>();
        var reading = new WalReading(_lineage.Wal, _spool, _lineage.Identity.SystemId);
        WalRoute? route = null;
        var within = new List<BackupRecord>();
        foreach (var backup in _backups)
        {
            var info = backup.Info!;
            // A backup that begins on the way of the one before has the same WAL after it.
            if (route is null || info.BeginLsn >= route.End || !route.History.Contains(info.TimelineId, info.EndLsn))
            {
                if (WalRoute.Choose(_received, info.TimelineId, info.BeginLsn, info.EndLsn, timeline) is not { } next)
                {
                    continue;
                }
                await AddAsync(windows, route, within, cancellationToken);
                within = [];
                route = await TrimAsync(reading, next, cancellationToken);
            }
            if (info.EndLsn <= route.End)
            {
                within.Add(backup);
            }
        }
        await AddAsync(windows, route, within, cancellationToken);
        return windows;
    }

    async Task<WalRoute> TrimAsync(WalReading reading, WalRoute route, CancellationToken cancellationToken)
    {
        try
        {
            return await reading.TrimAsync(route, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            _notes.Add($"the end of timeline {route.History.Timeline}'s WAL is not known: {e.Message}");
            return route with { Parts = [], End = route.Parts.Count == 0 ? route.End : route.Parts[0].Segment.Name.Start(route.SegmentSize) };
        }
    }

    async Task AddAsync(List<RecoveryWindow> windows, WalRoute? route, List<BackupRecord> backups, CancellationToken cancellationToken)
    {
        if (route is null || backups.Count == 0)
        {
            return;
        }
        CommitMoment? last = null;
        try
        {
            last = await new RouteMoments(_lineage, _spool, route).FindLastCommitAsync(route.Parts.Count, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            _notes.Add($"the last commit on timeline {route.History.Timeline} is not known: {e.Message}");
        }
        windows.Add(new()
        {
            Route = route,
            Backups = [.. backups.OrderBy(static b => b.Info!.EndLsn)],
            LastCommit = last,
            EndedBy = EndedBy(route, backups),
        });
    }

    string? EndedBy(WalRoute route, IReadOnlyList<BackupRecord> backups)
    {
        var missing = route.FindMissing(_received);
        if (missing is { IsRecorded: true } gap)
        {
            return $"the WAL from {gap.From} to {gap.To} is missing: {gap.Reason}";
        }
        if (route.Defect is { } defect && route.ReceivedEnd > route.End.AlignUp(route.SegmentSize.Bytes))
        {
            return $"the WAL after it is damaged: {defect}";
        }
        return missing is not null && backups is [{ Keep: KeepTarget.Standalone } alone]
            ? $"backup {alone.Id} is kept by itself, without the WAL after it"
            : missing?.Reason;
    }
}
