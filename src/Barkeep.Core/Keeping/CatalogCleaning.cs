using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>
/// Clears what backups that were cut off have left: one that began and neither ended nor runs is FAILED, and unfinished files
/// go. What it had stored is then garbage, for collection.
/// </summary>
public static class CatalogCleaning
{
    /// <summary>Cleans, unless a backup is running.</summary>
    /// <returns>The backups that were found interrupted; null when something is running.</returns>
    /// <exception cref="BarkeepException">Damaged, NewerRepository, Storage.</exception>
    public static async Task<IReadOnlyList<BackupId>?> TryRunAsync(
        Repository repository, ServerName server, Locations locations, TimeProvider time, CancellationToken cancellationToken)
    {
        using var duty = DutyLock.TryTake(locations.BackupLock(server));
        return duty is null ? null : await RunAsync(repository, time, cancellationToken);
    }

    /// <summary>Cleans; the caller holds the backup lock.</summary>
    internal static async Task<IReadOnlyList<BackupId>> RunAsync(Repository repository, TimeProvider time, CancellationToken cancellationToken)
    {
        // Unfinished files first: on a full disk the records need their room.
        repository.SweepUnfinished();
        var interrupted = new List<BackupId>();
        foreach (var lineage in repository.Lineages)
        {
            var begun = (await lineage.Backups.ListPartsAsync(cancellationToken)).Where(static b => (b.Parts & (BackupParts.Started | BackupParts.Manifest | BackupParts.Failed)) == BackupParts.Started);
            foreach (var (id, _) in begun)
            {
                // An import keeps its backup before that exists.
                await lineage.Backups.KeepAsync(id, null, time.GetLocalNow(), cancellationToken);
                await lineage.Backups.FailAsync(id, BackupRecord.Interrupted, ErrorKind.Interrupted, time.GetLocalNow(), cancellationToken);
                interrupted.Add(id);
            }
        }
        return interrupted;
    }
}
