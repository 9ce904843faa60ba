using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

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
            var seen = await LookAsync(lineage, removals.FirstOrDefault(r => r.Lineage == lineage), result, cancellationToken);
            var needs = await ReadNeedsAsync(lineage, seen, cancellationToken);
            plans.Add(await PlanAsync(lineage, seen, needs, seen.Backups, result, cancellationToken));
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
                if (removal is not null && !await TryRemoveUnreadableAsync(removal, result, cancellationToken))
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

    // Of several backups whose manifests cannot be read, each may go: otherwise none could, each for the sake of the other.
    async Task<bool> TryRemoveUnreadableAsync(BackupRemoval removal, CollectionResult result, CancellationToken cancellationToken)
    {
        foreach (var id in removal.Ids)
        {
            if ((await PageNeeds.ReadAsync(removal.Lineage, [id], cancellationToken)).Unread is null)
            {
                return false;
            }
        }
        await RemoveAsync(removal, result, cancellationToken);
        return true;
    }

    async Task<PageNeeds> ReadNeedsAsync(Lineage lineage, Sight seen, CancellationToken cancellationToken)
    {
        var needs = await PageNeeds.ReadAsync(lineage, seen.Manifests, cancellationToken);
        if (needs.Unread is { } unread)
        {
            _damaged = string.Create(CultureInfo.InvariantCulture, $"{lineage.Number}/{unread.Id}");
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
        var seen = await LookAsync(lineage, removal, result, cancellationToken);
        if (removal is null && (!mayCollect || IsHeld(seen.Backups, null, result)))
        {
            return;
        }
        var needs = await ReadNeedsAsync(lineage, seen, cancellationToken);
        if (removal is not null)
        {
            await RemoveAsync(removal, result, cancellationToken);
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
        var plan = await PlanAsync(lineage, seen, needs, now, result, cancellationToken);
        foreach (var pack in plan.Unneeded)
        {
            await RemoveAsync(lineage, pack, result, cancellationToken);
        }
        foreach (var (segment, _) in plan.Segments)
        {
            await RemoveAsync(lineage, segment, result, cancellationToken);
        }
        if (needs.OldestBegin is { } begin)
        {
            await lineage.Wal.DeleteConflictsBeforeAsync(begin, cancellationToken);
        }
        await RemoveSupersededAsync(lineage, plan, needs, result, cancellationToken);
        await RewriteAsync(lineage, plan, budget, result, cancellationToken);
        await lineage.SweepEmptyAsync(cancellationToken);
    }

    // Packs and segments first: what is listed here was put before the backups are listed, and before the histories are.
    static async Task<Sight> LookAsync(Lineage lineage, BackupRemoval? without, CollectionResult result, CancellationToken cancellationToken)
    {
        var packs = await lineage.Packs.ListAsync(cancellationToken);
        var segments = await lineage.Wal.ListSegmentsAsync(cancellationToken);
        var (histories, damaged) = await lineage.Wal.ReadHistoriesAsync(cancellationToken);
        result.Problems.AddRange(damaged.Values);
        var backups = await lineage.Backups.ListPartsAsync(cancellationToken);
        return new(packs, segments, histories, backups, [.. backups.Where(b => b.Parts.HasFlag(BackupParts.Manifest) && without?.Ids.Contains(b.Id) != true).Select(static b => b.Id)]);
    }

    // At the last moment it counts what is kept and how many there are; who keeps a backup takes the same lock.
    async Task RemoveAsync(BackupRemoval removal, CollectionResult result, CancellationToken cancellationToken)
    {
        using var turn = DutyLock.TryTake(locations.CatalogLock(server))
            ?? throw new BarkeepException(ErrorKind.Busy, $"another command is keeping or deleting a backup of server {server}", "run the command again");
        var there = (await removal.Lineage.Backups.ListPartsAsync(cancellationToken)).ToList();
        foreach (var id in removal.Ids)
        {
            if (removal.Refusal(there, id) is { } refusal)
            {
                result.RefusedBackups.Add((id, refusal));
                continue;
            }
            var variables = Hooks?.Has("delete") == true ? await HookVariables.OfBackupAsync(removal.Lineage, id, Hooks.Repository, "DONE", cancellationToken) : null;
            if (variables is not null && await TryHookAsync("delete", variables, cancellationToken) is { } refused)
            {
                result.RefusedBackups.Add((id, $"as {refused}"));
                continue;
            }
            Removing?.Invoke(id);
            await removal.Lineage.Backups.RemoveAsync(id, cancellationToken);
            there.RemoveAll(b => b.Id == id);
            result.RemovedBackups.Add(id);
            if (variables is not null)
            {
                await Hooks!.AfterAsync("delete", variables, null, cancellationToken);
            }
        }
    }

    async Task RemoveAsync(Lineage lineage, StoredSegment segment, CollectionResult result, CancellationToken cancellationToken)
    {
        var variables = Hooks?.Has("wal_delete") == true ? HookVariables.OfStored(lineage, segment, Hooks.Repository) : null;
        if (variables is not null && await TryHookAsync("wal_delete", variables, cancellationToken) is { } refused)
        {
            result.Problems.Add($"WAL segment {segment.Name} stays: {refused}");
            // Who does not want it to go is not asked again before there is something else to collect.
            result.IsFinished &= !Hooks!.HasHung;
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

    // Why it is not to happen; null when it may.
    async Task<string?> TryHookAsync(string subject, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        try
        {
            await Hooks!.BeforeAsync(subject, variables, cancellationToken);
            return null;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Failed)
        {
            return e.Message;
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

    static async Task<CollectionPlan> PlanAsync(
        Lineage lineage, Sight seen, PageNeeds needs, IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, CollectionResult result, CancellationToken cancellationToken)
    {
        var there = seen.Packs.Select(static p => p.Name).ToHashSet(StringComparer.Ordinal);
        result.Problems.AddRange(needs.Packs.Keys.Where(p => !there.Contains(p)).Select(static p => $"pack {p}, of which backups need pages, is not there"));
        var pages = new Dictionary<StoredPack, int>();
        foreach (var pack in seen.Packs.Where(p => needs.Packs.ContainsKey(p.Name)))
        {
            try
            {
                pages[pack] = await lineage.Packs.TryCountPagesAsync(pack, cancellationToken) ?? 0;
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
            {
                result.Problems.Add(e.Message);
            }
        }
        var wal = WalNeedsOf(lineage, seen, needs, backups, result);
        return CollectionPlan.Make(needs, seen.Packs, p => pages.GetValueOrDefault(p), wal, seen.Segments);
    }

    static WalNeeds WalNeedsOf(Lineage lineage, Sight seen, PageNeeds needs, IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, CollectionResult result)
    {
        var parts = backups.ToDictionary(static b => b.Id, static b => b.Parts);
        var wal = new WalNeeds([.. needs.Backups.OrderBy(static b => b.Id).Select(b => (b, parts.GetValueOrDefault(b.Id)))], seen.Histories, lineage.Identity.SegmentSize);
        result.AwaitsBackup |= wal.IsAwaitingBackup || seen.Segments.Any(s => wal.IsAwaiting(s.Name));
        return wal;
    }

    static async Task RemoveAsync(Lineage lineage, StoredPack pack, CollectionResult result, CancellationToken cancellationToken)
    {
        await lineage.Packs.DeleteAsync(pack, cancellationToken);
        result.RemovedPacks.Add(pack);
        result.FreedLength += pack.StoredLength;
    }

    // A lower generation may be the last good copy: it goes when the one that is read instead has what is needed.
    static async Task RemoveSupersededAsync(Lineage lineage, CollectionPlan plan, PageNeeds needs, CollectionResult result, CancellationToken cancellationToken)
    {
        foreach (var pack in plan.Superseded)
        {
            try
            {
                using var reader = await lineage.Packs.OpenAsync(pack.Name, cancellationToken);
                var needed = needs.Packs[pack.Name];
                if (Enumerable.Range(0, reader.Index.PageCount).Count(p => needed.Contains(reader.Index.OrdinalAt(p))) == needed.Count)
                {
                    await RemoveAsync(lineage, pack, result, cancellationToken);
                }
                else
                {
                    result.Problems.Add($"pack {pack} is kept: a later generation lacks pages that backups need");
                }
            }
            catch (BarkeepException e) when (IsOfThePack(e))
            {
                result.Problems.Add($"pack {pack} is kept: {e.Message}");
            }
        }
    }

    static async Task RewriteAsync(Lineage lineage, CollectionPlan plan, long budget, CollectionResult result, CancellationToken cancellationToken)
    {
        var left = budget;
        foreach (var sparse in plan.Sparse)
        {
            if (left <= 0)
            {
                result.IsFinished = false;
                return;
            }
            try
            {
                var next = await lineage.Packs.RewriteAsync(sparse.Pack, sparse.Needed, static () => new(), cancellationToken);
                left -= next.StoredLength;
                result.RewrittenPacks.Add(next);
                result.FreedLength += sparse.Pack.StoredLength - next.StoredLength;
                await lineage.Packs.DeleteAsync(sparse.Pack, cancellationToken);
            }
            catch (BarkeepException e) when (IsOfThePack(e))
            {
                result.Problems.Add($"pack {sparse.Pack} is left as it is: {e.Message}");
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.DiskFull)
            {
                result.Problems.Add($"packs cannot be written anew: {e.Message}");
                result.IsFinished = false;
                return;
            }
        }
    }

    static bool IsOfThePack(BarkeepException e) => e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.NewerRepository;

    sealed record Sight(
        IReadOnlyList<StoredPack> Packs, IReadOnlyList<StoredSegment> Segments, IReadOnlyDictionary<TimelineId, TimelineHistory> Histories,
        IReadOnlyList<(BackupId Id, BackupParts Parts)> Backups, HashSet<BackupId> Manifests);
}
