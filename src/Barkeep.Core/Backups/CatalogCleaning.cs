using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// Clears what backups and deletions that were cut off have left: a backup that began and neither ended nor runs is
/// FAILED; packs that no manifest refers to go; so do unfinished files. Changes nothing that is whole.
/// </summary>
public static class CatalogCleaning
{
    /// <summary>Cleans, unless a backup or a deletion is running.</summary>
    /// <returns>The backups that were found interrupted; null when something is running.</returns>
    /// <exception cref="BarkeepException">Damaged, NewerRepository, Storage.</exception>
    public static async Task<IReadOnlyList<BackupId>?> TryRunAsync(ServerName server, Locations locations, TimeProvider time, CancellationToken cancellationToken)
    {
        using var duty = DutyLock.TryTake(locations.BackupLock(server));
        return duty is null
            ? null
            : await RunAsync(await Repository.OpenAsync(locations.RepositoryDirectory(server), cancellationToken), time, cancellationToken);
    }

    /// <summary>Cleans; the caller holds the backup lock.</summary>
    internal static async Task<IReadOnlyList<BackupId>> RunAsync(Repository repository, TimeProvider time, CancellationToken cancellationToken)
    {
        var interrupted = new List<BackupId>();
        foreach (var lineage in repository.Lineages)
        {
            var backups = await lineage.Backups.ListAsync(cancellationToken);
            foreach (var backup in backups.Where(static b => b.State == BackupState.Started))
            {
                await lineage.Backups.FailAsync(backup.Id, "interrupted: the process that took it ended without a word", ErrorKind.Interrupted, time.GetLocalNow(), cancellationToken);
                interrupted.Add(backup.Id);
            }
            await RemoveOrphansAsync(lineage, backups, cancellationToken);
        }
        repository.SweepUnfinished();
        return interrupted;
    }

    static async Task RemoveOrphansAsync(Lineage lineage, IReadOnlyList<BackupRecord> backups, CancellationToken cancellationToken)
    {
        // Manifests are read only when there is a pack whose own backup has none.
        var whole = backups.Where(static b => b.State is BackupState.Done or BackupState.WaitingForWals or BackupState.Damaged).Select(static b => b.Id.ToString()).ToHashSet(StringComparer.Ordinal);
        var candidates = (await lineage.Packs.ListAsync(cancellationToken)).Where(p => !whole.Contains(p.Owner)).ToList();
        if (candidates.Count == 0)
        {
            return;
        }
        // With a manifest that cannot be read, any pack may be one that it needs.
        var needed = await PackReferences.TryReadAsync(lineage, backups, cancellationToken);
        foreach (var pack in candidates.Where(p => needed is not null && !needed.Contains(p.Name)))
        {
            await lineage.Packs.DeleteAsync(pack, cancellationToken);
        }
    }
}
