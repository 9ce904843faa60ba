using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Checks before a restore that recovery from a backup comes to its target, which PostgreSQL itself finds out only when it has replayed everything;
/// what it refuses, it refuses with what can be reached instead.
/// </summary>
sealed class TargetCheck(RestoreOptions options, Lineage lineage, WalSpool spool, ReceivedWal received, BackupInfo backup, WalRoute route)
{
    /// <returns>Where recovery stops, or why it would not get there, and whether because the target lies before the backup's end.</returns>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage: the WAL that must be looked at cannot be read.</exception>
    public async Task<(PlannedStop? Stop, BarkeepException? Refusal, bool LiesBefore)> RunAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        var outcome = await TargetSearch.FindAsync(lineage, spool, route, backup, target, cancellationToken);
        if (outcome.Stop is { } stop)
        {
            return (new(stop, outcome.LastCommit, null), null, false);
        }
        if (outcome.IsBeforeBackup)
        {
            var earliest = $"the earliest that this backup reaches is its end, at {backup.EndLsn}, {TimestampTz.From(backup.EndTime).Print(TimeZoneInfo.Local)}; barman targets {options.Server} shows what can be reached";
            return (null, new(ErrorKind.TargetUnreachable, outcome.Obstacle!, earliest), true);
        }
        if (IsAllBefore(target, outcome))
        {
            return (new(new(route.LastRecord, route.End, IsAfter: true, null, 0), outcome.LastCommit, RecoveryTarget.AtLsn(route.LastRecord)), null, false);
        }
        return (null, Beyond(outcome), false);
    }

    // Whether everything that is here, and nothing that is not, comes before a target at which no record lets recovery stop.
    bool IsAllBefore(RecoveryTarget target, TargetOutcome outcome) => target.Kind switch
    {
        RecoveryTargetKind.Immediate => true,
        RecoveryTargetKind.Lsn => target.Lsn <= route.End + HeaderAtEnd,
        RecoveryTargetKind.Time => route.FindMissing(received) is null && outcome.IsAllBefore(target.Time, IdleUntil()),
        _ => false,
    };

    // The next record could begin only behind it.
    int HeaderAtEnd => route.End == route.End.AlignDown(PageHeader.PageSize) ? PageHeader.SizeAt(route.End, route.SegmentSize) : 0;

    DateTimeOffset? IdleUntil() =>
        ReceiverState.LastOf(options.Locations, options.Server, lineage.Identity)?.IdleUntil(route.History.Timeline, route.ReceivedEnd);

    BarkeepException Beyond(TargetOutcome outcome)
    {
        if (outcome.PartOf != 0)
        {
            return new(ErrorKind.TargetUnreachable, outcome.Obstacle!, $"--target-xid {outcome.PartOf}");
        }
        var lastCommit = outcome.LastCommit is { } commit ? $", with the last transaction at {commit.Time.Print(TimeZoneInfo.Local)}" : "";
        var here = $"timeline {route.History.Timeline} up to {route.End}{lastCommit}";
        if (route.FindMissing(received) is { } missing)
        {
            var after = route.EndBeyondGap(received);
            return new(
                ErrorKind.WalGap,
                $"{outcome.Obstacle}; WAL is missing, {missing}{(after is null ? "" : $"; what is here after it, up to {after}, cannot be reached from backup {backup.BackupId}")}",
                $"leave the target out to restore {here}, or use a backup that was taken after the gap");
        }
        return new(ErrorKind.TargetUnreachable, outcome.Obstacle!, $"leave the target out to restore everything that is here: {here}; barman targets {options.Server} shows what can be reached");
    }
}
