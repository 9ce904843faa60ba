using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Which packs are needed, as the manifests say.</summary>
static class PackReferences
{
    /// <summary>The names of all packs that these backups refer to.</summary>
    /// <exception cref="BarkeepException">Damaged: a manifest that cannot be read could refer to any pack, so none may be removed.</exception>
    public static async Task<HashSet<string>> ReadAsync(Lineage lineage, IEnumerable<BackupRecord> backups, CancellationToken cancellationToken)
    {
        var needed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var backup in backups)
        {
            if (backup.State == BackupState.Damaged)
            {
                throw new BarkeepException(ErrorKind.Damaged, $"which packs backup {backup.Id} needs is not known: {backup.Failure}", "restore the repository's copy of its records, or delete that backup first");
            }
            if (backup.Info is not null)
            {
                needed.UnionWith((await lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken)).Packs);
            }
        }
        return needed;
    }

    /// <summary>As <see cref="ReadAsync"/>; null when a manifest cannot be read.</summary>
    public static async Task<HashSet<string>?> TryReadAsync(Lineage lineage, IEnumerable<BackupRecord> backups, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(lineage, backups, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath)
        {
            return null;
        }
    }
}
