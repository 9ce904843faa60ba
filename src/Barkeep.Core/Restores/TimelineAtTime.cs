using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Says when a target time lies before the timeline that is followed began, and after it was branched off: another was written then.</summary>
static class TimelineAtTime
{
    /// <summary>Who names a timeline knows of the others.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage: the WAL that must be looked at cannot be read.</exception>
    public static async Task TellAsync(RestoreSource source, RestoreOptions options, WalSpool spool, List<string> warnings, CancellationToken cancellationToken)
    {
        if (options.Timeline != TimelineChoice.Latest || options.Until is not { Kind: RecoveryTargetKind.Time } target || source.Stop is not { } stop)
        {
            return;
        }
        if (await FindNotBegunAsync(source, stop, target, spool, cancellationToken) is not { } branch || await FindOtherAsync(source, stop, target, spool, cancellationToken) is not { } other)
        {
            return;
        }
        var begun = branch.Begun is { } time ? $" before {time.Print(TimeZoneInfo.Local)}" : "";
        warnings.Add(
            $"AT {target} ANOTHER TIMELINE WAS WRITTEN: timeline {branch.Timeline}, which is followed, did not begin{begun}, from what was there at {branch.Left}, "
            + $"while transaction {other.Commit.Xid} was committed on timeline {other.Timeline} at {other.Commit.Time.Print(TimeZoneInfo.Local)}, and is not restored; "
            + $"--target-tli {other.Timeline} restores that{(other.IsReached ? "" : ", if the target is left out")}");
    }

    // Of the timelines on the way, the first that branches off after the last commit that is restored, and that had not begun.
    static async Task<(TimelineId Timeline, Lsn Left, TimestampTz? Begun)?> FindNotBegunAsync(
        RestoreSource source, PlannedStop stop, RecoveryTarget target, WalSpool spool, CancellationToken cancellationToken)
    {
        var history = source.Route.History;
        var moments = new RouteMoments(source.Lineage, spool, source.Route);
        for (var i = 0; i < history.Ancestors.Count; i++)
        {
            var left = history.Ancestors[i].End;
            if (left < source.Backup.Info!.EndLsn || left > stop.Reached || left <= stop.LastCommit?.Position)
            {
                continue;
            }
            var next = i + 1 < history.Ancestors.Count ? history.Ancestors[i + 1].Timeline : history.Timeline;
            var begun = await FindBeginAsync(moments, left, next, cancellationToken);
            if (!(LatestOf(begun) <= TimestampTz.From(target.Time)))
            {
                return (next, left, begun);
            }
        }
        return null;
    }

    // A checkpoint, which begins a timeline where there was no standby, tells whole seconds.
    static TimestampTz? LatestOf(TimestampTz? begun) =>
        begun is { } time && time.Microseconds % Second == 0 ? new(time.Microseconds + Second - 1) : begun;

    const long Second = 1_000_000;

    // A timeline's first records say when it began.
    static async Task<TimestampTz?> FindBeginAsync(RouteMoments moments, Lsn left, TimelineId timeline, CancellationToken cancellationToken)
    {
        for (var i = 0; i < moments.Count; i++)
        {
            if (moments.StartOf(i) <= left && left < moments.EndOf(i))
            {
                return (await moments.GetAsync(i, cancellationToken)).Moments.Switches.Where(s => s.To == timeline).Select(static s => (TimestampTz?)s.Time).FirstOrDefault();
            }
        }
        return null;
    }

    // The timeline with the last commit before the target that the one that is followed has not.
    static async Task<(TimelineId Timeline, CommitMoment Commit, bool IsReached)?> FindOtherAsync(
        RestoreSource source, PlannedStop stop, RecoveryTarget target, WalSpool spool, CancellationToken cancellationToken)
    {
        (TimelineId Timeline, CommitMoment Commit, bool IsReached)? found = null;
        var backups = (await source.Lineage.Backups.ListAsync(cancellationToken)).Select(static b => b.Info).OfType<BackupInfo>().Where(b => b.EndTime <= target.Time).Reverse().ToList();
        foreach (var timeline in source.Received.Timelines.Where(t => t != source.Route.History.Timeline).Order())
        {
            foreach (var backup in backups)
            {
                if (await TrySearchAsync(source, backup, timeline, target, spool, cancellationToken) is not { IsBeforeBackup: false } outcome)
                {
                    continue;
                }
                if (outcome.LastCommit is { } commit && !(commit.Time <= stop.LastCommit?.Time) && IsBetter(commit, outcome.IsReached))
                {
                    found = (timeline, commit, outcome.IsReached);
                }
                break;
            }
        }
        return found;

        // What was committed before timelines parted is on all of them.
        bool IsBetter(CommitMoment commit, bool isReached) =>
            found is not { } known || commit.Time > known.Commit.Time || (commit.Time == known.Commit.Time && isReached && !known.IsReached);
    }

    // What cannot be read of another timeline does not matter to a restore of this one.
    static async Task<TargetOutcome?> TrySearchAsync(
        RestoreSource source, BackupInfo backup, TimelineId timeline, RecoveryTarget target, WalSpool spool, CancellationToken cancellationToken)
    {
        if (WalRoute.Choose(source.Received, backup.TimelineId, backup.BeginLsn, backup.EndLsn, timeline) is not { IsOnItsTimeline: true } route)
        {
            return null;
        }
        try
        {
            route = await new WalReading(source.Lineage.Wal, spool, source.Lineage.Identity.SystemId).TrimAsync(route, cancellationToken);
            return route.End < backup.EndLsn ? null : await TargetSearch.FindAsync(source.Lineage, spool, route, backup, target, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            return null;
        }
    }
}
