using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>A backup with the WAL that follows it: what a restore reads.</summary>
/// <param name="Present">Where the cluster's server is.</param>
/// <param name="Route">All WAL that was received after it.</param>
/// <param name="Placed">The part of it that goes into the restored pg_wal.</param>
/// <param name="Stop">Where recovery stops; null when it goes to the end.</param>
sealed record RestoreSource(
    Lineage Lineage, BackupRecord Backup, Manifest Manifest, ReceivedWal Received, PresentTimeline Present, WalRoute Route, WalRoute Placed, PlannedStop? Stop);
