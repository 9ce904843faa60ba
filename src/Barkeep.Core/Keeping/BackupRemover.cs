using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;

namespace Barkeep.Keeping;

/// <summary>Removes backups in their order: the scripts before, the backup, the scripts after. What they needed is then garbage, for collection.</summary>
sealed class BackupRemover(ServerName server, Locations locations)
{
    /// <summary>What runs before and after a backup is removed; null for nothing.</summary>
    public HookScripts? Hooks { get; init; }

    /// <summary>Is told of each backup that is about to be removed, once nothing stands against it any more.</summary>
    public Action<BackupId>? Removing { get; init; }

    /// <summary>Removes those against which nothing stands. At the last moment it counts what is kept and how many there are; who keeps a backup takes the same lock.</summary>
    /// <exception cref="BarkeepException">Busy: another process keeps or removes backups just now, and nothing has been removed. Storage.</exception>
    public async Task RunAsync(BackupRemoval removal, CollectionResult result, CancellationToken cancellationToken)
    {
        using var turn = DutyLock.TryTake(locations.CatalogLock(server))
            ?? throw new BarkeepException(ErrorKind.Busy, $"another command is keeping or deleting a backup of server {server}", "run the command again");
        var there = (await removal.Lineage.Backups.ListPartsAsync(cancellationToken)).ToList();
        var unsound = await removal.FindUnsoundAsync(cancellationToken);
        foreach (var id in removal.Ids)
        {
            if (removal.Refusal(there, unsound, id) is { } refusal)
            {
                result.RefusedBackups.Add((id, refusal));
                continue;
            }
            var variables = Hooks?.Has("delete") == true ? await HookVariables.OfBackupAsync(removal.Lineage, id, Hooks.Repository, "DONE", cancellationToken) : null;
            if (variables is not null && await Hooks!.TryBeforeAsync("delete", variables, cancellationToken) is { } refused)
            {
                result.RefusedBackups.Add((id, $"as {refused}"));
                continue;
            }
            Removing?.Invoke(id);
            await removal.Lineage.Backups.RemoveAsync(id, cancellationToken);
            there.RemoveAll(b => b.Id == id);
            result.RemovedBackups.Add(id);
            if (variables is not null)
            {
                await Hooks!.AfterAsync("delete", variables, null, cancellationToken);
            }
        }
    }

    /// <summary>Removes backups if none of their manifests can be read. Of several such, each may go: otherwise none could, each for the sake of the other.</summary>
    /// <returns>Whether it is so; otherwise nothing has been removed.</returns>
    public async Task<bool> TryRunUnreadableAsync(BackupRemoval removal, CollectionResult result, CancellationToken cancellationToken)
    {
        foreach (var id in removal.Ids)
        {
            if ((await PageNeeds.ReadAsync(removal.Lineage, [id], cancellationToken)).Unread is null)
            {
                return false;
            }
        }
        await RunAsync(removal, result, cancellationToken);
        return true;
    }
}
