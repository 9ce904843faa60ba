using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// Deletes a backup. No other backup notices: pages that it shares stay, and so does all WAL from the oldest remaining backup's begin on, on
/// every timeline. Whatever else runs may go on running.
/// </summary>
public static class BackupDeletion
{
    /// <summary>
    /// Deletes a backup, then collects. The backup is gone for good when it returns; what it needed alone is gone too, unless the result says
    /// what has kept it: then the next collection removes it. Cut off at any moment, the backup is whole or gone.
    /// </summary>
    /// <exception cref="BarkeepException">
    /// UnknownBackup; Busy: this backup is being taken; Damaged: another manifest cannot be read, so what that one needs is not known, and nothing
    /// has been deleted.
    /// </exception>
    public static async Task<CollectionResult> RunAsync(
        Repository repository, ServerName server, Locations locations, BackupId id, TimeProvider time, CancellationToken cancellationToken)
    {
        var (lineage, backup) = await repository.TryFindAsync(id, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"unknown backup '{id}'", "barman list-backup shows those that exist");

        // One that has begun and not ended either runs or was interrupted: then it has failed.
        if (backup.State == BackupState.Started && await CatalogCleaning.TryRunAsync(repository, server, locations, time, cancellationToken) is null)
        {
            throw new BarkeepException(ErrorKind.Busy, $"backup {id} of server {server} is running", "stop it, or wait for it to end");
        }
        return await new Collector(repository, server, locations).RunAsync(Collector.DefaultBudget, (lineage, id), cancellationToken);
    }
}
