using System.Runtime.CompilerServices;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Finds the backup to restore: the one asked for, the newest that can be restored, or the newest from which recovery reaches its target, with a
/// word on each that is passed over.
/// </summary>
/// <param name="isOccupied">Whether the target holds a copy already, which may have what the repository has lost.</param>
sealed class SourceChoice(RestoreOptions options, List<string> warnings, bool isOccupied)
{
    Lineage? _current;
    readonly List<(BackupId Id, string Told)> _elsewhere = [];
    bool _isOneUnusable;
    readonly Dictionary<Lineage, Sight> _seen = [];
    readonly Dictionary<(Lineage Lineage, TimelineId Timeline, Lsn End), WalRoute> _trimmed = [];

    /// <exception cref="BarkeepException">
    /// NoUsableBackup, UnknownBackup, BackupUnusable, TargetUnreachable, WalGap, Damaged, ObjectMissing, HostilePath, NewerRepository.
    /// </exception>
    public async Task<RestoreSource> ChooseAsync(CancellationToken cancellationToken)
    {
        var directory = options.Locations.RepositoryDirectory(options.Server);
        var repository = await Repository.OpenAsync(directory, cancellationToken);
        _current = repository.Current;
        if (options.Backup is not { } id)
        {
            var newest = await NewestAsync(repository, cancellationToken);
            TellElsewhere();
            return newest ?? throw Nothing(directory);
        }
        var (lineage, backup) = await repository.TryFindAsync(id, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"server {options.Server} has no backup {id}", $"barman list-backup {options.Server} shows which there are");
        var candidate = await FindWayAsync(lineage, backup, options.Timeline, cancellationToken);
        if (candidate.Refusal is null && await FindDamageAsync(candidate, cancellationToken) is { } damage)
        {
            if (!isOccupied)
            {
                candidate = candidate with { Refusal = damage };
            }
            else
            {
                warnings.Add($"{damage.Message}: this restore ends there, unless the directory holds them already");
            }
        }
        return candidate.Refusal is null ? await OpenAsync(candidate, cancellationToken) : throw await WithWayOutAsync(candidate, repository, cancellationToken);
    }

    internal WalSpool SpoolOf(Lineage lineage) => WalSpool.Of(lineage, options.Server, options.Locations);

    async Task<RestoreSource?> NewestAsync(Repository repository, CancellationToken cancellationToken)
    {
        RestoreCandidate? refused = null;
        foreach (var lineage in repository.Lineages.Reverse())
        {
            var left = new List<RestoreCandidate>();
            await foreach (var candidate in CandidatesAsync(lineage, cancellationToken))
            {
                var isLeft = IsOnBranchThatWasLeft(candidate);
                if (candidate.Refusal is not null)
                {
                    refused = refused?.OrTelling(candidate) ?? candidate;
                    // Who asks for the newest wants no other.
                    if (!options.SuitsTarget && !isLeft)
                    {
                        left.Clear();
                        break;
                    }
                }
                else if (isLeft)
                {
                    left.Add(candidate);
                }
                else if (await TryOpenAsync(candidate, cancellationToken) is { } source)
                {
                    warnings.AddRange(left.GroupBy(TimelineOf, static c => c.Backup.Id).Select(static g => TellLeft(g.Key, [.. g.Order()])));
                    return source;
                }
            }

            // Better a branch that was left than nothing.
            foreach (var candidate in left)
            {
                if (await TryOpenAsync(candidate, cancellationToken) is { } source)
                {
                    var present = candidate.Present.Timeline;
                    var why = refused?.Refusal is { } refusal && !IsOnBranchThatWasLeft(refused) ? $"the target is not reached on timeline {present} ({refusal.Message})" : $"no backup leads to timeline {present}";
                    warnings.Add($"THE PRESENT TIMELINE IS NOT RESTORED: {why}, on which the server went on; this is timeline {TimelineOf(candidate)}, which it has left");
                    return source;
                }
            }

            // Only a time means the same to a cluster that the server was before.
            if (refused is not null && (!options.SuitsTarget || options.Until?.Kind != RecoveryTargetKind.Time))
            {
                break;
            }
        }
        return refused is null ? null : throw await WithWayOutAsync(refused, repository, cancellationToken);
    }

    static string TellLeft(TimelineId timeline, IReadOnlyList<BackupId> ids) => ids.Count == 1
        ? $"backup {ids[0]} is newer, and is passed over: it is on timeline {timeline}, which the server has left; with --target-tli {timeline} it is restored"
        : $"{ids.Count} backups, {ids[0]} to {ids[^1]}, are newer, and are passed over: they are on timeline {timeline}, which the server has left; with --target-tli {timeline} the newest of them is restored";

    static TimelineId TimelineOf(RestoreCandidate candidate) => candidate.Route.History.Timeline;

    // The newest first, with a word on each that cannot be restored at all.
    async IAsyncEnumerable<RestoreCandidate> CandidatesAsync(Lineage lineage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var backup in (await LookAsync(lineage, cancellationToken)).Backups.Reverse())
        {
            if (await UnlessUnusableAsync(backup, () => ExamineAsync(lineage, backup, options.Timeline, cancellationToken), warnings) is { } candidate)
            {
                yield return candidate;
            }
        }
    }

    async Task<RestoreSource?> TryOpenAsync(RestoreCandidate candidate, CancellationToken cancellationToken)
    {
        var source = await UnlessUnusableAsync(candidate.Backup, () => OpenAsync(candidate, cancellationToken), warnings);
        if (source is not null && candidate.Lineage != _current)
        {
            warnings.Add($"no backup of the present cluster can be restored{(options.Until is null ? "" : " to this target")}: this is one of the cluster with system identifier {candidate.Lineage.Identity.SystemId}, which server {options.Server} was before");
        }
        return source;
    }

    // Who names no timeline means that of the server, with a target too, not a branch that it has left.
    bool IsOnBranchThatWasLeft(RestoreCandidate candidate) =>
        options.Timeline == TimelineChoice.Latest && candidate.Present.IsLeftBy(candidate.Route);

    // The refusal, with what reaches the target if anything does: the newest such backup, or else another timeline.
    async Task<BarkeepException> WithWayOutAsync(RestoreCandidate refused, Repository repository, CancellationToken cancellationToken)
    {
        var refusal = refused.Refusal!;
        if (!options.SuitsTarget && await OtherAsync(options.Timeline) is { } other)
        {
            var where = IsOnBranchThatWasLeft(other) ? $", on timeline {TimelineOf(other)}, which the server has left" : "";
            return new(refusal.Kind, refusal.Message, $"backup {other.Backup.Id} suits{where}: name it, or auto, instead", refusal);
        }
        if (options.Timeline == TimelineChoice.Latest && options.Until is { Kind: RecoveryTargetKind.Xid or RecoveryTargetKind.Lsn or RecoveryTargetKind.Name })
        {
            foreach (var timeline in refused.Received.Timelines.Where(t => t != refused.Route.History.Timeline).OrderDescending())
            {
                if (await OtherAsync(new(timeline)) is { } elsewhere)
                {
                    return new(refusal.Kind, refusal.Message, $"on timeline {timeline} it is reached, from backup {elsewhere.Backup.Id}: add --target-tli {timeline}", refusal);
                }
            }
        }
        return refusal;

        async Task<RestoreCandidate?> OtherAsync(TimelineChoice timeline)
        {
            RestoreCandidate? left = null;
            foreach (var lineage in repository.Lineages.Reverse().Where(l => l == refused.Lineage || options.Until?.Kind == RecoveryTargetKind.Time))
            {
                foreach (var backup in (await LookAsync(lineage, cancellationToken)).Backups.Reverse())
                {
                    if (await UnlessUnusableAsync(backup, () => ExamineAsync(lineage, backup, timeline, cancellationToken), []) is { Refusal: null } found)
                    {
                        if (!IsOnBranchThatWasLeft(found))
                        {
                            return found;
                        }
                        left ??= found;
                    }
                }
            }
            return left;
        }
    }

    async Task<T?> UnlessUnusableAsync<T>(BackupRecord backup, Func<Task<T>> open, List<string> told)
        where T : class
    {
        try
        {
            return await open();
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.BackupUnusable or ErrorKind.TargetUnreachable or ErrorKind.WalGap or ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.HostilePath or ErrorKind.Storage)
        {
            var subject = $"backup {backup.Id} ";
            var line = $"{subject}is passed over: {(e.Message.StartsWith(subject, StringComparison.Ordinal) ? "it " + e.Message[subject.Length..] : e.Message)}";
            if (e.Kind == ErrorKind.TargetUnreachable && told == warnings)
            {
                _elsewhere.Add((backup.Id, line));
            }
            else
            {
                _isOneUnusable |= e.Kind != ErrorKind.TargetUnreachable;
                told.Add(line);
            }
            return null;
        }
    }

    // A line for each would hide what else there is to say: of a timeline that was left long ago, hundreds are newer.
    void TellElsewhere()
    {
        switch (_elsewhere)
        {
            case []:
                break;
            case [var (_, told)]:
                warnings.Add(told);
                break;
            default:
                var ids = _elsewhere.Select(static e => e.Id).Order().ToList();
                warnings.Add($"{ids.Count} backups, {ids[0]} to {ids[^1]}, are passed over: they are not in the history of timeline {options.Timeline}");
                break;
        }
    }

    async Task<RestoreCandidate> ExamineAsync(Lineage lineage, BackupRecord backup, TimelineChoice choice, CancellationToken cancellationToken)
    {
        var candidate = await FindWayAsync(lineage, backup, choice, cancellationToken);
        return candidate.Refusal is null && await FindDamageAsync(candidate, cancellationToken) is { } damage ? throw damage : candidate;
    }

    // What is known: a restore would end at the first such page.
    async Task<BarkeepException?> FindDamageAsync(RestoreCandidate candidate, CancellationToken cancellationToken)
    {
        var id = candidate.Backup.Id;
        return await (await LookAsync(candidate.Lineage, cancellationToken)).Hurt.FindAsync(id, cancellationToken) is { Count: > 0 } packs
            ? new(ErrorKind.Damaged, $"backup {id} {HurtPacks.Tell(packs)}", $"use another backup, or put the repository's copy of them back and run barman verify-backup {options.Server} {id}")
            : null;
    }

    async Task<RestoreCandidate> FindWayAsync(Lineage lineage, BackupRecord backup, TimelineChoice choice, CancellationToken cancellationToken)
    {
        // 1. The way through the WAL, as far as it leads.
        if (backup.Info is not { } info)
        {
            throw Unusable(backup);
        }
        var (received, _, present, _) = await LookAsync(lineage, cancellationToken);
        var wanted = choice.For(info.TimelineId);
        var route = (wanted is null ? present.RouteFrom(info) : WalRoute.Choose(received, info.TimelineId, info.BeginLsn, info.EndLsn, wanted))
            ?? throw (wanted is { } timeline ? NotInHistory(backup.Id, info, received, timeline) : new(ErrorKind.BackupUnusable, $"backup {backup.Id} is in no timeline history that was received", "use another backup, or bring the history file with barman put-wal"));
        route = await TrimAsync(lineage, route, cancellationToken);
        if (route.End < info.EndLsn)
        {
            throw WalMissing(backup.Id, info, received, route);
        }
        if (backup.State == BackupState.WaitingForWals && await new WalProof(lineage, SpoolOf(lineage), route.History, route.Parts).FindContradictionAsync(info, cancellationToken) is { } contradiction)
        {
            throw new BarkeepException(ErrorKind.BackupUnusable, $"backup {backup.Id} cannot be restored, since the WAL that was received is not its server's: {contradiction}", "use another backup");
        }

        // 2. Whether the target is on it.
        if (options.Until is not { } target)
        {
            return new(lineage, received, present, backup, route, null, null, false);
        }
        var check = new TargetCheck(options, lineage, SpoolOf(lineage), received, info, route);
        var (stop, refusal, liesBefore) = await check.RunAsync(target, cancellationToken);
        return new(lineage, received, present, backup, route, stop, refusal, liesBefore);
    }

    async Task<RestoreSource> OpenAsync(RestoreCandidate candidate, CancellationToken cancellationToken)
    {
        var (lineage, received, present, backup, route, stop, _, _) = candidate;
        var manifest = await lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken);
        await ManifestCheck.RunAsync(lineage, backup.Id, manifest, cancellationToken);
        // The backup's own WAL at least: without it the directory is not even consistent. Where more is got, in whole segments, so that none that cannot be got ends too early.
        var needed = options.RestoreCommand is not null ? backup.Info!.EndLsn.AlignUp(route.SegmentSize.Bytes) : stop?.Stop.End ?? route.End;
        var placed = route.Until(Lsn.Min(needed, route.End));
        return new(lineage, backup, manifest, received, present, route, placed, stop);
    }

    async Task<Sight> LookAsync(Lineage lineage, CancellationToken cancellationToken)
    {
        if (!_seen.TryGetValue(lineage, out var seen))
        {
            // In this order: what the receiver has heard of is then here.
            var stateFile = options.Locations.ReceiverStateFile(options.Server);
            var said = ReceiverState.TryRead(stateFile);
            if (said is null && File.Exists(stateFile))
            {
                warnings.Add($"{stateFile} cannot be read: which timeline the server is on is told by the backups alone; restore as the user who runs the receiver, or name the timeline (--target-tli)");
            }
            var backups = await lineage.Backups.ListAsync(cancellationToken);
            var received = await ReceivedWal.ListAsync(lineage.Wal, SpoolOf(lineage), cancellationToken);
            var hurt = await HurtPacks.ReadAsync(lineage, cancellationToken);
            await hurt.LookAsync(cancellationToken);
            _seen.Add(lineage, seen = new(received, backups, PresentTimeline.Of(received, backups, said?.Of(lineage.Identity)), hurt));
        }
        return seen;
    }

    // Most backups share the end of their WAL.
    async Task<WalRoute> TrimAsync(Lineage lineage, WalRoute route, CancellationToken cancellationToken)
    {
        var key = (lineage, route.History.Timeline, route.ReceivedEnd);
        if (_trimmed.TryGetValue(key, out var known) && route.Parts.Count > 0 && known.LastRecord >= route.Parts[0].Segment.Name.Start(route.SegmentSize))
        {
            return route.Until(known.End) with { Defect = known.Defect, LastRecord = known.LastRecord };
        }
        return _trimmed[key] = await new WalReading(lineage.Wal, SpoolOf(lineage), lineage.Identity.SystemId).TrimAsync(route, cancellationToken);
    }

    static BarkeepException Unusable(BackupRecord backup) => backup.State switch
    {
        BackupState.Damaged => new(ErrorKind.Damaged, $"backup {backup.Id} is damaged: {backup.Failure}", "use another backup, or the repository's copy"),
        BackupState.Failed => new(ErrorKind.BackupUnusable, $"backup {backup.Id} failed: {backup.Failure}", "use another backup"),
        _ => new(ErrorKind.BackupUnusable, $"backup {backup.Id} is not finished", "wait for it, or use another backup"),
    };

    BarkeepException Nothing(string directory)
    {
        if (_elsewhere.Count > 0 && !_isOneUnusable && options.Timeline.For(TimelineId.First) is { } wanted)
        {
            var known = _seen.Values.SelectMany(static s => s.Received.Timelines).Distinct().Order().ToList();
            return new(
                ErrorKind.TargetUnreachable,
                $"no backup of server {options.Server} leads to timeline {wanted}{(known.Contains(wanted) ? "" : ", of which nothing was received")}",
                $"there is WAL of {Named(known)}: barman targets {options.Server} shows what can be reached");
        }
        return new(
            ErrorKind.NoUsableBackup,
            $"server {options.Server} has no backup that can be restored in {directory}" + (warnings.Count == 0 ? "" : $": {string.Join("; ", warnings)}"),
            "take one with barman backup");
    }

    static BarkeepException NotInHistory(BackupId id, BackupInfo info, ReceivedWal received, TimelineId wanted)
    {
        var known = received.Timelines.Append(info.TimelineId).Distinct().Order().ToList();
        return new(
            ErrorKind.TargetUnreachable,
            $"backup {id} is not in the history of timeline {wanted}" + (known.Contains(wanted) ? $": it was taken on timeline {info.Timeline}, up to {info.EndLsn}" : ", of which nothing was received"),
            $"it leads to {Named([.. known.Where(t => WalRoute.Choose(received, info.TimelineId, info.BeginLsn, info.EndLsn, t) is not null)])}");
    }

    static string Named(List<TimelineId> timelines) => timelines.Count == 1
        ? $"timeline {timelines[0]}"
        : $"timelines {string.Join(", ", timelines.SkipLast(1))} and {timelines[^1]}";

    static BarkeepException WalMissing(BackupId id, BackupInfo info, ReceivedWal received, WalRoute route)
    {
        var what = $"backup {id} needs the WAL up to {info.EndLsn}, but only that up to {route.End} is here: ";
        return route.FindMissing(received) is not { } missing
            ? new(ErrorKind.BackupUnusable, $"{what}the rest of segment {route.Missing} has not been received", "wait until barman receive-wal has received it, or use another backup")
            : new(ErrorKind.WalGap, $"{what}WAL is missing, {missing}", "use another backup");
    }

    /// <param name="Backups">Oldest first.</param>
    sealed record Sight(ReceivedWal Received, IReadOnlyList<BackupRecord> Backups, PresentTimeline Present, HurtPacks Hurt);
}
