using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>A backup whose WAL suffices to restore it, and whether recovery would come from it to the target.</summary>
/// <param name="Stop">Where recovery stops; null when it goes to the end, or does not reach its target.</param>
/// <param name="Refusal">Why the target is not reached; null when it is, or there is none.</param>
sealed record RestoreCandidate(Lineage Lineage, ReceivedWal Received, BackupRecord Backup, WalRoute Route, PlannedStop? Stop, BarkeepException? Refusal);
