using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>The backups of one lineage, and how its timelines descend from one another: all that retention looks at.</summary>
/// <param name="Number">Ascends from the server's first cluster to the present one.</param>
/// <param name="Backups">Oldest first.</param>
public sealed record RetentionLineage(int Number, IReadOnlyList<BackupRecord> Backups, IReadOnlyDictionary<TimelineId, TimelineHistory> Histories)
{
    /// <summary>Packs that were found to be damaged: what of the backups needs them is not known here.</summary>
    public IReadOnlySet<string> DamagedPacks { get; init; } = new HashSet<string>();

    /// <summary>Reads it; a history that is damaged counts as unknown.</summary>
    public static async Task<RetentionLineage> ReadAsync(Lineage lineage, CancellationToken cancellationToken) =>
        new(lineage.Number, await lineage.Backups.ListAsync(cancellationToken), await lineage.Wal.ReadHistoriesAsync([], cancellationToken))
        {
            DamagedPacks = await lineage.Packs.ListDamagedAsync(cancellationToken),
        };
}
