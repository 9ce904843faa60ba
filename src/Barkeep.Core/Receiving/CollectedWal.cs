using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Tells the holes that collection leaves between received WAL, before what a backup needs that is kept by itself and after it, from WAL that has yet to
/// come. Collection records no gaps: nothing is lost.
/// </summary>
sealed class CollectedWal
{
    readonly Lsn? _needed;

    CollectedWal(Lsn? needed) => _needed = needed;

    /// <summary>Looks at what backups need. Where one cannot be read nothing counts as collected, and receiving goes on.</summary>
    public static async Task<CollectedWal> LookAsync(BackupCatalog catalog, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            var backups = await catalog.ListAsync(cancellationToken);
            if (backups.FirstOrDefault(static b => b.State == BackupState.Damaged) is { } damaged)
            {
                logger.LogWarning("backup {Id} is damaged, so what WAL it needs is not known: {Reason}", damaged.Id, damaged.Failure);
                return new(null);
            }
            // The newest that is complete needs all that comes after it, however it is kept.
            var newest = backups.LastOrDefault(static b => b.State == BackupState.Done)?.Id;
            var needing = newest is null ? [] : backups.Where(b => b.Info is not null && (b.Keep != KeepTarget.Standalone || b.Id >= newest)).Select(static b => b.Info!.BeginLsn).ToList();
            return new(needing.Count == 0 ? null : needing.Min());
        }
        catch (BarkeepException e)
        {
            logger.LogWarning("what WAL backups need is not known: {Reason}", e.Line);
            return new(null);
        }
    }

    /// <summary>Whether a hole that ends there may have been collected: every backup that needs all later WAL begins after it.</summary>
    public bool MayReachTo(Lsn end) => end <= _needed;
}
