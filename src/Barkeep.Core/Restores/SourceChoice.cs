using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Finds the backup to restore: the one asked for, or the newest that can be restored, with a word on each that is passed over.</summary>
sealed class SourceChoice(RestoreOptions options, List<string> warnings)
{
    /// <exception cref="BarkeepException">NoUsableBackup, UnknownBackup, BackupUnusable, WalGap, Damaged, ObjectMissing, HostilePath, NewerRepository.</exception>
    public async Task<RestoreSource> ChooseAsync(CancellationToken cancellationToken)
    {
        var directory = options.Locations.RepositoryDirectory(options.Server);
        var repository = await Repository.OpenAsync(directory, cancellationToken);
        if (options.Backup is { } id)
        {
            var (lineage, backup) = await repository.TryFindAsync(id, cancellationToken)
                ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"server {options.Server} has no backup {id}", $"barman list-backup {options.Server} shows which there are");
            return await OpenAsync(lineage, await ListWalAsync(lineage, cancellationToken), backup, cancellationToken);
        }
        foreach (var lineage in repository.Lineages.Reverse())
        {
            if (await NewestUsableAsync(lineage, cancellationToken) is { } source)
            {
                if (lineage != repository.Current)
                {
                    warnings.Add($"no backup of the present cluster can be restored: this is one of the cluster with system identifier {lineage.Identity.SystemId}, which server {options.Server} was before");
                }
                return source;
            }
        }
        throw new BarkeepException(
            ErrorKind.NoUsableBackup,
            $"server {options.Server} has no backup that can be restored in {directory}" + (warnings.Count == 0 ? "" : $": {string.Join("; ", warnings)}"),
            "take one with barman backup");
    }

    async Task<RestoreSource?> NewestUsableAsync(Lineage lineage, CancellationToken cancellationToken)
    {
        var backups = await lineage.Backups.ListAsync(cancellationToken);
        var received = backups.Count == 0 ? null : await ListWalAsync(lineage, cancellationToken);
        foreach (var backup in backups.Reverse())
        {
            try
            {
                return await OpenAsync(lineage, received!, backup, cancellationToken);
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.BackupUnusable or ErrorKind.WalGap or ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.HostilePath or ErrorKind.Storage)
            {
                warnings.Add($"backup {backup.Id} is passed over: {e.Message}");
            }
        }
        return null;
    }

    Task<ReceivedWal> ListWalAsync(Lineage lineage, CancellationToken cancellationToken) =>
        ReceivedWal.ListAsync(lineage.Wal, SpoolOf(lineage), cancellationToken);

    internal WalSpool SpoolOf(Lineage lineage) =>
        new(options.Locations.SpoolDirectory(options.Server, lineage.Identity.SystemId), lineage.Identity.SegmentSize);

    async Task<RestoreSource> OpenAsync(Lineage lineage, ReceivedWal received, BackupRecord backup, CancellationToken cancellationToken)
    {
        if (backup.Info is not { } info)
        {
            throw Unusable(backup);
        }
        var route = WalRoute.Choose(received, new(info.Timeline), info.BeginLsn, info.EndLsn, options.Timeline)
            ?? throw new BarkeepException(
                ErrorKind.BackupUnusable,
                options.Timeline is { } wanted ? $"backup {backup.Id} is not in the history of timeline {wanted.Value}" : $"no known timeline history holds backup {backup.Id}");
        route = await new WalReading(lineage.Wal, SpoolOf(lineage), lineage.Identity.SystemId).TrimAsync(route, cancellationToken);
        if (route.End < info.EndLsn)
        {
            throw WalMissing(backup.Id, info, received, route);
        }
        var manifest = await lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken);
        await ManifestCheck.RunAsync(lineage, backup.Id, manifest, cancellationToken);
        return new(lineage, backup, manifest, received, route);
    }

    static BarkeepException Unusable(BackupRecord backup) => backup.State switch
    {
        BackupState.Damaged => new(ErrorKind.Damaged, $"backup {backup.Id} is damaged: {backup.Failure}", "use another backup, or the repository's copy"),
        BackupState.Failed => new(ErrorKind.BackupUnusable, $"backup {backup.Id} failed: {backup.Failure}", "use another backup"),
        _ => new(ErrorKind.BackupUnusable, $"backup {backup.Id} is not finished", "wait for it, or use another backup"),
    };

    static BarkeepException WalMissing(BackupId id, BackupInfo info, ReceivedWal received, WalRoute route)
    {
        var what = $"backup {id} needs the WAL up to {info.EndLsn}, but only that up to {route.End} is here: ";
        return received.LastEnd(route.Missing.Timeline, route.Missing.Start(route.SegmentSize)) is null
            ? new(ErrorKind.BackupUnusable, $"{what}the rest of segment {route.Missing} has not been received", "wait until barman receive-wal has received it, or use another backup")
            : new(ErrorKind.WalGap, $"{what}segment {route.Missing} is missing", "use another backup");
    }
}
