using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>Finds out where recovery from a backup would stop, or that it would fail, before anything is restored.</summary>
public sealed class TargetSearch
{
    readonly RouteMoments _moments;
    readonly WalRoute _route;
    readonly BackupInfo _backup;
    readonly RecoveryTarget _target;
    readonly StopFinder _finder;
    readonly List<RestorePoint> _points = [];

    // The last segment that was passed over because all transactions that ended in it are older than the one that is looked for.
    int? _lastOlder;
    uint _partOf;

    TargetSearch(RouteMoments moments, WalRoute route, BackupInfo backup, RecoveryTarget target)
    {
        (_moments, _route, _backup, _target) = (moments, route, backup, target);
        _finder = new(target, backup.BeginLsn, backup.EndLsn);
    }

    /// <param name="route">From the backup's begin along the history that is to be restored, trimmed to whole records.</param>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage: the WAL that must be looked at cannot be read.</exception>
    public static async Task<TargetOutcome> FindAsync(
        Lineage lineage, WalSpool spool, WalRoute route, BackupInfo backup, RecoveryTarget target, CancellationToken cancellationToken)
    {
        var search = new TargetSearch(new(lineage, spool, route), route, backup, target);
        await search.RunAsync(cancellationToken);
        return search.Conclude();
    }

    async Task RunAsync(CancellationToken cancellationToken)
    {
        var first = First();
        for (var i = first; i < _moments.Count && _finder.Stop is null; i++)
        {
            if (await _moments.TryGetBoundsAsync(i, cancellationToken) is { } bounds && !await MayFindInAsync(i, bounds, cancellationToken))
            {
                _finder.LastCommit = bounds.LastCommit ?? _finder.LastCommit;
                _lastOlder = bounds.HasTransactions && bounds.GreatestXid < _target.Xid ? i : _lastOlder;
                continue;
            }
            await _moments.WalkAsync(i, new StopVisitor(_finder), cancellationToken);
        }
        _finder.LastCommit ??= await _moments.FindLastCommitAsync(Math.Min(first, _moments.Count), cancellationToken);
        _partOf = _target.Kind == RecoveryTargetKind.Xid && _finder is { Stop: null } ? await FindWholeAsync(cancellationToken) : 0;
    }

    // A subtransaction's number is greater than that of its transaction, whose end alone is noted: as a rule not long after it was given.
    async Task<uint> FindWholeAsync(CancellationToken cancellationToken)
    {
        if (_finder.PartOf != 0 || _lastOlder is not { } index)
        {
            return _finder.PartOf;
        }
        var finder = new StopFinder(_target, _backup.BeginLsn, _backup.EndLsn);
        await _moments.WalkAsync(index, new StopVisitor(finder), cancellationToken);
        return finder.PartOf;
    }

    // By position the segments before it need no look.
    int First()
    {
        var position = _target.Kind switch
        {
            RecoveryTargetKind.Lsn => Lsn.Min(_target.Lsn, _route.End),
            RecoveryTargetKind.Immediate => _backup.EndLsn,
            _ => Lsn.Invalid,
        };
        var first = 0;
        while (first + 1 < _moments.Count && _moments.EndOf(first) < position)
        {
            first++;
        }
        return first;
    }

    async Task<bool> MayFindInAsync(int index, MomentBounds bounds, CancellationToken cancellationToken)
    {
        if (!_finder.MayFindIn(bounds, _moments.EndOf(index)) || _target.Kind != RecoveryTargetKind.Name)
        {
            return _finder.MayFindIn(bounds, _moments.EndOf(index));
        }
        // Restore points are few and kept by name.
        var (moments, _) = await _moments.GetAsync(index, cancellationToken);
        _points.AddRange(moments.RestorePoints);
        return moments.RestorePoints.Count < bounds.RestorePoints || moments.RestorePoints.Any(p => p.Name == _target.Name);
    }

    // Times in the WAL are by the server's clock. What ended between this one's and the begin may lie in earlier WAL, where nobody looks.
    DateTimeOffset Begun => _backup.BegunAt ?? _backup.BeginTime;

    TargetOutcome Conclude()
    {
        var outcome = new TargetOutcome { Target = _target, Stop = _finder.Stop, LastCommit = _finder.LastCommit, End = _route.End };
        // Whether or not a record would stop recovery: what the backup holds is later than such a time.
        if (_target.Kind == RecoveryTargetKind.Time && (_finder.HasLaterBefore || _target.Time < Begun))
        {
            return TooEarly(outcome, $"{_target} lies before backup {_backup.BackupId}, which began at {TimestampTz.From(Begun).Print(TimeZoneInfo.Local)}");
        }
        if (_finder.Stop is not { } stop)
        {
            return outcome with { PartOf = _partOf, Obstacle = NotReached() };
        }
        return stop.Reached < _backup.EndLsn
            ? TooEarly(outcome, $"{_target} lies {(_target.Kind == RecoveryTargetKind.Lsn ? "" : $"at {stop.Reached}, ")}before backup {_backup.BackupId} is consistent, at {_backup.EndLsn}")
            : outcome;
    }

    static TargetOutcome TooEarly(TargetOutcome outcome, string obstacle) => outcome with { Stop = null, IsBeforeBackup = true, Obstacle = obstacle };

    string NotReached() => _target.Kind switch
    {
        RecoveryTargetKind.Time => _finder.LastCommit is { } last
            ? $"no transaction has ended after {_target} in the WAL received up to {_route.End}: the last was committed at {last.Time.Print(TimeZoneInfo.Local)}, LSN {last.Position}"
            : $"no transaction has ended after {_target} in the WAL received from {_backup.BeginLsn} to {_route.End}",
        RecoveryTargetKind.Xid when _partOf != 0 => $"{_target} is a subtransaction of transaction {_partOf}, and recovery stops only at the end of that",
        RecoveryTargetKind.Xid => $"{_target} has not ended in the WAL received from {_backup.BeginLsn} to {_route.End}",
        RecoveryTargetKind.Lsn => $"{_target} lies beyond the last record received, which ends at {_route.End}",
        RecoveryTargetKind.Name => $"there is no {_target} in the WAL received from {_backup.BeginLsn} to {_route.End}{Others()}",
        _ => $"backup {_backup.BackupId} is consistent at {_backup.EndLsn}, and the WAL received ends at {_route.End}",
    };

    string Others()
    {
        const int Most = 10;
        var names = _points.Where(p => p.Position >= _backup.EndLsn).Select(static p => $"'{p.Name}'").Distinct().ToList();
        return names.Count == 0 ? "" : $"; there are {string.Join(", ", names.TakeLast(Most))}{(names.Count > Most ? $" and {names.Count - Most} earlier ones" : "")}";
    }
}
