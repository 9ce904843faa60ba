using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>
/// Removes what no backup needs any more (docs/format.md, "Collection, in order"). Backups, restores and deletions may begin, run and end
/// meanwhile: none waits, and none is hurt.
/// </summary>
public sealed class Collector(Repository repository, ServerName server, Locations locations)
{
    /// <summary>
    /// Bytes that one collection writes anew. cron collects within the minute until it runs again, and a receiver that has ended waits for
    /// it: at some 100 MB/s, with reading and flushing, this takes a quarter of that.
    /// </summary>
    public const long DefaultBudget = 1L << 30;

    string? _damaged;

    /// <summary>What runs before and after a backup or a segment is removed; null for nothing.</summary>
    public HookScripts? Hooks { get; init; }

    /// <summary>Is told of each backup that is about to be removed, once nothing stands against it any more.</summary>
    public Action<BackupId>? Removing { get; init; }

    /// <summary>Whether there may be something to collect. Cheap: lists names.</summary>
    public async Task<bool> IsDueAsync(CancellationToken cancellationToken) =>
        CollectionMemory.TryRead(locations.CollectionMemory(server)) is not { } memory
        || memory.IsOutdatedBy(await CollectionMemory.LookAsync(repository, cancellationToken))
        || (memory.Damaged is not null && await FindDamageAsync(cancellationToken) is null);

    /// <summary>The damaged manifest for which the last collection removed nothing, and what to do; null when there is none, or it has been mended or deleted since.</summary>
    public async Task<string?> FindDamageAsync(CancellationToken cancellationToken)
    {
        var damaged = CollectionMemory.TryRead(locations.CollectionMemory(server))?.Damaged?.Split('/');
        if (damaged is not [var number, var text] || !BackupId.TryParse(text, out var id)
            || repository.Lineages.FirstOrDefault(l => l.Number.ToString(CultureInfo.InvariantCulture) == number) is not { } lineage)
        {
            return null;
        }
        return (await PageNeeds.ReadAsync(lineage, [id], cancellationToken)).Unread is { } unread ? Damage(unread).Line : null;
    }

    /// <summary>What a collection would do now, for each lineage; does nothing.</summary>
    /// <exception cref="BarkeepException">Damaged: a manifest cannot be read, so what it needs is not known. NewerRepository, Storage.</exception>
    public Task<IReadOnlyList<CollectionPlan>> PlanAsync(CancellationToken cancellationToken) => PlanAsync([], cancellationToken);

    /// <summary>As <see cref="PlanAsync(CancellationToken)"/>, if backups were removed first.</summary>
    internal async Task<IReadOnlyList<CollectionPlan>> PlanAsync(IReadOnlyList<BackupRemoval> removals, CancellationToken cancellationToken)
    {
        var plans = new List<CollectionPlan>();
        foreach (var lineage in repository.Lineages)
        {
            var result = new CollectionResult();
            var seen = await CollectionSight.LookAsync(lineage, removals.FirstOrDefault(r => r.Lineage == lineage), result, cancellationToken);
            var needs = await ReadNeedsAsync(seen, cancellationToken);
            plans.Add(await seen.PlanAsync(needs, seen.Backups, result, cancellationToken));
        }
        return plans;
    }

    /// <summary>Why a collection would remove nothing now; null when nothing keeps it.</summary>
    public async Task<CollectionHold?> FindHoldAsync(CancellationToken cancellationToken)
    {
        foreach (var lineage in repository.Lineages)
        {
            var backups = await lineage.Backups.ListPartsAsync(cancellationToken);
            if (HoldOf(backups, null) is { } hold)
            {
                return hold;
            }
        }
        return null;
    }

    /// <summary>Collects. What is removed is gone for good when it returns.</summary>
    /// <param name="budget">Bytes to write anew at most; see <see cref="DefaultBudget"/>.</param>
    /// <exception cref="BarkeepException">NewerRepository, Storage.</exception>
    public Task<CollectionResult> RunAsync(long budget, CancellationToken cancellationToken) => RunAsync(budget, [], cancellationToken);

    /// <summary>Removes backups between the first and the second step: what they need does not count.</summary>
    /// <exception cref="BarkeepException">
    /// Damaged: another manifest of their lineage cannot be read; Busy: another process keeps or removes backups just now. Nothing has been removed of that lineage, its backups neither.
    /// </exception>
    internal async Task<CollectionResult> RunAsync(long budget, IReadOnlyList<BackupRemoval> removals, CancellationToken cancellationToken)
    {
        using var turn = DutyLock.TryTake(locations.CollectionLock(server));
        _damaged = null;
        var result = new CollectionResult { Hold = turn is null ? new(ErrorKind.Busy, "another collection is running") : null };
        foreach (var lineage in repository.Lineages)
        {
            var removal = removals.FirstOrDefault(r => r.Lineage == lineage);
            try
            {
                await RunAsync(lineage, removal, budget, turn is not null, result, cancellationToken);
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
            {
                result.Hold = new(e.Kind, e.Line);
                if (removal is not null && !await Remover().TryRunUnreadableAsync(removal, result, cancellationToken))
                {
                    await RememberAsync(turn, result, cancellationToken);
                    throw;
                }
            }
        }
        result.IsFinished &= result.Hold is null;
        await RememberAsync(turn, result, cancellationToken);
        return result;
    }

    // A damaged manifest is not read with all others each minute: it stays as it is until somebody acts.
    async Task RememberAsync(DutyLock? turn, CollectionResult result, CancellationToken cancellationToken)
    {
        if (turn is null || (!result.IsFinished && result.Hold?.Kind != ErrorKind.Damaged))
        {
            return;
        }
        var memory = await CollectionMemory.LookAsync(repository, cancellationToken) with { AwaitsBackup = result.AwaitsBackup, Damaged = _damaged };
        try
        {
            memory.Write(locations.CollectionMemory(server));
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.DiskFull)
        {
            // What was to go is gone, which is how a full disk gets room; without the file, cron collects once more.
        }
    }

    async Task<PageNeeds> ReadNeedsAsync(CollectionSight seen, CancellationToken cancellationToken)
    {
        var needs = await PageNeeds.ReadAsync(seen.Lineage, seen.Manifests, cancellationToken);
        if (needs.Unread is { } unread)
        {
            _damaged = string.Create(CultureInfo.InvariantCulture, $"{seen.Lineage.Number}/{unread.Id}");
            throw Damage(unread);
        }
        return needs;
    }

    BarkeepException Damage((BackupId Id, string Reason) unread) => new(
        ErrorKind.Damaged,
        $"what backup {unread.Id} needs is not known, so nothing may go: {unread.Reason}",
        $"put that object back from a copy of the repository, or give this backup up: barman delete {server} {unread.Id}");

    async Task RunAsync(Lineage lineage, BackupRemoval? removal, long budget, bool mayCollect, CollectionResult result, CancellationToken cancellationToken)
    {
        // What there is, and what is needed of it. Not worth reading when it cannot be acted upon.
        var seen = await CollectionSight.LookAsync(lineage, removal, result, cancellationToken);
        if (removal is null && (!mayCollect || IsHeld(seen.Backups, null, result)))
        {
            return;
        }
        var needs = await ReadNeedsAsync(seen, cancellationToken);
        if (removal is not null)
        {
            await Remover().RunAsync(removal, result, cancellationToken);
            if (result.RefusedBackups.Count > 0)
            {
                // What it needs has not been counted.
                result.Hold = new(ErrorKind.Busy, $"backup {result.RefusedBackups[0].Id} was to go, and stays");
                return;
            }
        }

        // Whether that still holds: nobody may need what was listed, and not be among those who were asked.
        var now = await lineage.Backups.ListPartsAsync(cancellationToken);
        if (!mayCollect || IsHeld(now, seen.Manifests, result))
        {
            return;
        }
        var lost = now.Where(static b => !b.Parts.HasFlag(BackupParts.Manifest)).ToList();
        await lineage.Backups.SettleAsync(lost.Select(static b => b.Id), cancellationToken);
        foreach (var remnant in lost.Where(static b => (b.Parts & (BackupParts.Started | BackupParts.Failed)) == 0))
        {
            await lineage.Backups.RemoveAsync(remnant.Id, cancellationToken);
        }

        // Everything that goes, before anything is written.
        var plan = await seen.PlanAsync(needs, now, result, cancellationToken);
        var packs = new PackCleaning(lineage, result);
        await packs.RemoveAsync(plan.Unneeded, cancellationToken);
        foreach (var (segment, _) in plan.Segments)
        {
            await RemoveAsync(lineage, segment, result, cancellationToken);
        }
        if (needs.OldestBegin is { } begin)
        {
            await lineage.Wal.DeleteConflictsBeforeAsync(begin, cancellationToken);
        }
        await packs.RemoveSupersededAsync(plan.Superseded, needs, cancellationToken);
        await packs.RewriteAsync(plan.Sparse, budget, cancellationToken);
        await lineage.SweepEmptyAsync(cancellationToken);
    }

    BackupRemover Remover() => new(server, locations) { Hooks = Hooks, Removing = Removing };

    async Task RemoveAsync(Lineage lineage, StoredSegment segment, CollectionResult result, CancellationToken cancellationToken)
    {
        var variables = Hooks?.Has("wal_delete") == true ? HookVariables.OfStored(lineage, segment, Hooks.Repository) : null;
        if (variables is not null && await Hooks!.TryBeforeAsync("wal_delete", variables, cancellationToken) is { } refused)
        {
            result.Problems.Add($"WAL segment {segment.Name} stays: {refused}");
            // Who does not want it to go is not asked again before there is something else to collect.
            result.IsFinished &= !Hooks.HasHung;
            return;
        }
        await lineage.Wal.DeleteSegmentAsync(segment, cancellationToken);
        result.RemovedSegments.Add(segment);
        result.FreedLength += segment.StoredLength;
        if (variables is not null)
        {
            await Hooks!.AfterAsync("wal_delete", variables, null, cancellationToken);
        }
    }

    bool IsHeld(IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, HashSet<BackupId>? known, CollectionResult result)
    {
        var hold = HoldOf(backups, known);
        result.Hold = hold ?? result.Hold;
        return hold is not null;
    }

    CollectionHold? HoldOf(IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, HashSet<BackupId>? known)
    {
        foreach (var (id, parts) in backups)
        {
            if ((parts & (BackupParts.Started | BackupParts.Manifest | BackupParts.Failed)) == BackupParts.Started)
            {
                return new(ErrorKind.Busy, $"backup {id} is running");
            }
            if (known is not null && parts.HasFlag(BackupParts.Manifest) && !known.Contains(id))
            {
                return new(ErrorKind.Busy, $"backup {id} has just been taken");
            }
        }
        return DutyLock.IsHeld(locations.RestoreLock(server)) ? new(ErrorKind.Busy, "a restore is running") : null;
    }
}
