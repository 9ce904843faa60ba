using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// Deletes a backup. No other backup notices: packs that it shares stay, and so does all WAL from the oldest remaining
/// backup's begin on, on every timeline. Holds the backup lock, so that no backup can begin to share what is going.
/// </summary>
public sealed class BackupDeletion : IDisposable
{
    readonly DutyLock _duty;
    readonly Repository _repository;
    bool _isOver;

    BackupDeletion(DutyLock duty, Repository repository)
    {
        _duty = duty;
        _repository = repository;
    }

    /// <summary>Opens a server's repository for deletions.</summary>
    /// <exception cref="BarkeepException">Busy: a backup or another deletion is running.</exception>
    public static async Task<BackupDeletion> BeginAsync(ServerName server, Locations locations, CancellationToken cancellationToken)
    {
        var duty = await BackupDuty.TakeAsync(server, locations, TimeProvider.System, cancellationToken);
        try
        {
            return new(duty, await Repository.OpenAsync(locations.RepositoryDirectory(server), cancellationToken));
        }
        catch
        {
            duty.Dispose();
            throw;
        }
    }

    /// <summary>Finds out what deleting a backup would remove; removes nothing.</summary>
    /// <exception cref="BarkeepException">UnknownBackup; Damaged: a manifest cannot be read, so what it needs is not known.</exception>
    public async Task<DeletionPlan> PlanAsync(BackupId id, CancellationToken cancellationToken)
    {
        var (lineage, backup) = await _repository.TryFindAsync(id, cancellationToken)
            ?? throw new BarkeepException(ErrorKind.UnknownBackup, $"unknown backup '{id}'", "barman list-backup shows those that exist");
        var others = (await lineage.Backups.ListAsync(cancellationToken)).Where(b => b.Id != id).ToList();
        var needed = await PackReferences.ReadAsync(lineage, others, cancellationToken);
        var mine = await MyPacksAsync(lineage, backup, cancellationToken);
        var packs = (await lineage.Packs.ListAsync(cancellationToken)).Where(p => mine(p.Name) && !needed.Contains(p.Name));
        return new(lineage, backup, [.. packs], await SegmentsAsync(lineage, backup, others, cancellationToken));
    }

    /// <summary>
    /// Deletes what the plan names, the manifest first: cut off at any moment, what remains is either the whole backup or
    /// none, and the next cleaning removes the rest.
    /// </summary>
    public async Task RunAsync(DeletionPlan plan, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isOver, this);
        await plan.Lineage.Backups.WithdrawAsync(plan.Backup.Id, cancellationToken);
        foreach (var pack in plan.Packs)
        {
            await plan.Lineage.Packs.DeleteAsync(pack, cancellationToken);
        }
        await plan.Lineage.Backups.ForgetAsync(plan.Backup.Id, cancellationToken);
        foreach (var segment in plan.Segments)
        {
            await plan.Lineage.Wal.DeleteSegmentAsync(segment, cancellationToken);
        }
    }

    /// <summary>Lets backups begin again.</summary>
    public void Dispose()
    {
        _isOver = true;
        _duty.Dispose();
    }

    // The packs that it wrote, and those of backups deleted before that only it still refers to.
    static async Task<Func<string, bool>> MyPacksAsync(Lineage lineage, BackupRecord backup, CancellationToken cancellationToken)
    {
        var own = $"{backup.Id}/";
        var referred = await PackReferences.TryReadAsync(lineage, [backup], cancellationToken);
        return name => name.StartsWith(own, StringComparison.Ordinal) || referred?.Contains(name) == true;
    }

    // A position before the oldest remaining backup's begin serves none of them, whatever its timeline. When none
    // remains, WAL from the deleted one's begin on stays: the next backup takes over from it.
    static async Task<IReadOnlyList<StoredSegment>> SegmentsAsync(Lineage lineage, BackupRecord backup, IReadOnlyList<BackupRecord> others, CancellationToken cancellationToken)
    {
        var remaining = others.Where(static b => b.Info is not null).Select(static b => b.Info!).ToList();
        var oldest = remaining.Count > 0 ? remaining.Min(static i => i.BeginLsn) : backup.Info?.BeginLsn;
        if (oldest is not { } begin)
        {
            return [];
        }
        var size = lineage.Identity.SegmentSize;
        var first = size.NumberOf(begin);
        return [.. (await lineage.Wal.ListSegmentsAsync(cancellationToken)).Where(s => s.Name.Number(size) < first)];
    }
}
