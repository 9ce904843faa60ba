using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>What a collection found in a lineage when it began.</summary>
/// <param name="Packs">All generations of all packs.</param>
/// <param name="Manifests">The backups that have a manifest and are not about to go.</param>
sealed record CollectionSight(
    Lineage Lineage, IReadOnlyList<StoredPack> Packs, IReadOnlyList<StoredSegment> Segments, IReadOnlyDictionary<TimelineId, TimelineHistory> Histories,
    IReadOnlyList<(BackupId Id, BackupParts Parts)> Backups, HashSet<BackupId> Manifests)
{
    /// <summary>Looks. Packs and segments first: what is listed here was put before the backups are listed, and before the histories are.</summary>
    /// <param name="without">Backups that are about to go, and do not count; null for none.</param>
    public static async Task<CollectionSight> LookAsync(Lineage lineage, BackupRemoval? without, CollectionResult result, CancellationToken cancellationToken)
    {
        var packs = await lineage.Packs.ListAsync(cancellationToken);
        var segments = await lineage.Wal.ListSegmentsAsync(cancellationToken);
        var (histories, damaged) = await lineage.Wal.ReadHistoriesAsync(cancellationToken);
        result.Problems.AddRange(damaged.Values);
        var backups = await lineage.Backups.ListPartsAsync(cancellationToken);
        return new(lineage, packs, segments, histories, backups, [.. backups.Where(b => b.Parts.HasFlag(BackupParts.Manifest) && without?.Ids.Contains(b.Id) != true).Select(static b => b.Id)]);
    }

    /// <summary>What of that is garbage.</summary>
    /// <param name="needs">What the backups need.</param>
    /// <param name="backups">The backups that there are now.</param>
    public async Task<CollectionPlan> PlanAsync(
        PageNeeds needs, IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, CollectionResult result, CancellationToken cancellationToken)
    {
        var there = Packs.Select(static p => p.Name).ToHashSet(StringComparer.Ordinal);
        result.Problems.AddRange(needs.Packs.Keys.Where(p => !there.Contains(p)).Select(static p => $"pack {p}, of which backups need pages, is not there"));
        var pages = new Dictionary<StoredPack, int>();
        foreach (var pack in Packs.Where(p => needs.Packs.ContainsKey(p.Name)))
        {
            try
            {
                pages[pack] = await Lineage.Packs.TryCountPagesAsync(pack, cancellationToken) ?? 0;
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
            {
                result.Problems.Add(e.Message);
            }
        }
        var wal = WalNeedsOf(needs, backups, result);
        return CollectionPlan.Make(needs, Packs, p => pages.GetValueOrDefault(p), wal, Segments);
    }

    WalNeeds WalNeedsOf(PageNeeds needs, IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, CollectionResult result)
    {
        var parts = backups.ToDictionary(static b => b.Id, static b => b.Parts);
        var wal = new WalNeeds([.. needs.Backups.OrderBy(static b => b.Id).Select(b => (b, parts.GetValueOrDefault(b.Id)))], Histories, Lineage.Identity.SegmentSize);
        result.AwaitsBackup |= wal.IsAwaitingBackup || Segments.Any(s => wal.IsAwaiting(s.Name));
        return wal;
    }
}
