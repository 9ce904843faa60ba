using System.Globalization;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Backups of one lineage that are to go, and what may stand against it.</summary>
/// <param name="Minimum">So many usable backups of this lineage stay.</param>
sealed record BackupRemoval(Lineage Lineage, IReadOnlyCollection<BackupId> Ids, int Minimum)
{
    /// <summary>Why a backup may not be removed, as it follows "Skipping delete of backup …"; null when it may.</summary>
    /// <param name="backups">What is there now.</param>
    public string? Refusal(IReadOnlyList<(BackupId Id, BackupParts Parts)> backups, BackupId id)
    {
        var parts = backups.FirstOrDefault(b => b.Id == id).Parts;
        if (BackupCatalog.KeepOf(parts) is { } target)
        {
            return $"as it has a current keep request ({(target == KeepTarget.Full ? "full" : "standalone")}). If you really want to delete this backup please remove the keep and try again.";
        }
        var usable = backups.Count(static b => IsUsable(b.Parts));
        return IsUsable(parts) && usable <= Minimum
            ? string.Create(CultureInfo.InvariantCulture, $"due to minimum redundancy requirements (minimum redundancy = {Minimum}, current redundancy = {usable})")
            : null;
    }

    static bool IsUsable(BackupParts parts) => parts.HasFlag(BackupParts.Manifest | BackupParts.Complete);
}
