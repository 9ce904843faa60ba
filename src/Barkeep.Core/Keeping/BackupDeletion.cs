using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>
/// Deletes a backup. No other backup notices: pages that it shares stay, and so does all WAL that another needs. Whatever else runs may go on running.
/// </summary>
/// <param name="minimumRedundancy">So many backups of the present cluster stay that can be restored, as far as is known.</param>
public sealed class BackupDeletion(Repository repository, ServerName server, Locations locations, TimeProvider time, int minimumRedundancy = 0)
{
    /// <summary>What runs before and after; null for nothing.</summary>
    public HookScripts? Hooks { get; init; }

    /// <summary>
    /// Deletes a backup, then collects. The backup is gone for good when it returns, unless the result names it among those refused; what it needed alone
    /// is gone too, unless the result says what has kept it: then the next collection removes it. Cut off at any moment, the backup is whole or gone.
    /// </summary>
    /// <exception cref="BarkeepException">
    /// UnknownBackup; Busy: this backup is being taken, or another command keeps or deletes one at this moment; Damaged: another manifest cannot be read, so
    /// what that one needs is not known. Nothing has been deleted then.
    /// </exception>
    public async Task<CollectionResult> RunAsync(BackupId id, CancellationToken cancellationToken)
    {
        var removal = await FindAsync(id, cancellationToken);
        var (_, backup) = (await repository.TryFindAsync(id, cancellationToken)).GetValueOrDefault();

        // One that has begun and not ended either runs or was interrupted: then it has failed.
        if (backup?.State == BackupState.Started && await CatalogCleaning.TryRunAsync(repository, server, locations, time, cancellationToken) is null)
        {
            throw new BarkeepException(ErrorKind.Busy, $"backup {id} of server {server} is running", "stop it, or wait for it to end");
        }
        // All manifests need not be read for what is refused in the end.
        return await TryRefuseAsync(removal, id, cancellationToken) ?? await new Collector(repository, server, locations) { Hooks = Hooks }.RunAsync(Collector.DefaultBudget, [removal], cancellationToken);
    }

    /// <summary>What <see cref="RunAsync"/> would remove besides the backup; does nothing.</summary>
    /// <returns>Why it would be refused, or else a plan for each lineage.</returns>
    /// <exception cref="BarkeepException">UnknownBackup; Damaged.</exception>
    public async Task<(string? Refusal, IReadOnlyList<CollectionPlan> Plans)> PlanAsync(BackupId id, CancellationToken cancellationToken)
    {
        var removal = await FindAsync(id, cancellationToken);
        return await TryRefuseAsync(removal, id, cancellationToken) is { } refused
            ? (refused.Refused[0].Reason, [])
            : (null, await new Collector(repository, server, locations).PlanAsync([removal], cancellationToken));
    }

    async Task<BackupRemoval> FindAsync(BackupId id, CancellationToken cancellationToken)
    {
        var (lineage, _) = await repository.TryFindAsync(id, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"unknown backup '{id}'", "barman list-backup shows those that exist");
        return new(lineage, [id], lineage == repository.Current ? minimumRedundancy : 0);
    }

    static async Task<CollectionResult?> TryRefuseAsync(BackupRemoval removal, BackupId id, CancellationToken cancellationToken)
    {
        if (removal.Refusal(await removal.Lineage.Backups.ListPartsAsync(cancellationToken), await removal.FindUnsoundAsync(cancellationToken), id) is not { } reason)
        {
            return null;
        }
        var result = new CollectionResult();
        result.RefusedBackups.Add((id, reason));
        return result;
    }
}
