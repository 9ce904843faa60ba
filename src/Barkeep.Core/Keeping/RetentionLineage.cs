using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>The backups of one lineage, and how its timelines descend from one another: all that retention looks at.</summary>
/// <param name="Number">Ascends from the server's first cluster to the present one.</param>
/// <param name="Backups">Oldest first.</param>
public sealed record RetentionLineage(int Number, IReadOnlyList<BackupRecord> Backups, IReadOnlyDictionary<TimelineId, TimelineHistory> Histories)
{
    /// <summary>Packs that were found to be damaged: what of the backups needs them is not known here.</summary>
    public IReadOnlySet<string> DamagedPacks { get; init; } = new HashSet<string>();

    /// <summary>Reads it; a history that is damaged counts as unknown.</summary>
    public static async Task<RetentionLineage> ReadAsync(Lineage lineage, CancellationToken cancellationToken) =>
        await ReadAsync(lineage, await lineage.Backups.ListAsync(cancellationToken), cancellationToken);

    /// <inheritdoc cref="ReadAsync(Lineage, CancellationToken)"/>
    /// <param name="backups">All of the lineage's, oldest first, as they were listed: of a thousand, no manifest is read again.</param>
    public static async Task<RetentionLineage> ReadAsync(Lineage lineage, IReadOnlyList<BackupRecord> backups, CancellationToken cancellationToken) =>
        new(lineage.Number, backups, (await lineage.Wal.ReadHistoriesAsync(cancellationToken)).Sound)
        {
            DamagedPacks = await lineage.Packs.ListDamagedAsync(cancellationToken),
        };
}
