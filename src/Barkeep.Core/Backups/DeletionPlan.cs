using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>What deleting a backup removes.</summary>
/// <param name="Packs">Packs that only this backup refers to.</param>
/// <param name="Segments">WAL from before the oldest backup that remains.</param>
public sealed record DeletionPlan(
    Lineage Lineage, BackupRecord Backup, IReadOnlyList<StoredPack> Packs, IReadOnlyList<StoredSegment> Segments)
{
    /// <summary>Bytes that the repository gives back.</summary>
    public long StoredLength => Packs.Sum(static p => p.StoredLength) + Segments.Sum(static s => s.StoredLength);
}
