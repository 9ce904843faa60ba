using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>A backup with the WAL that follows it: what a restore reads.</summary>
sealed record RestoreSource(Lineage Lineage, BackupRecord Backup, Manifest Manifest, ReceivedWal Received, WalRoute Route);
