using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>A backup whose WAL suffices to restore it, and whether recovery would come from it to the target.</summary>
/// <param name="Present">Where its cluster's server is.</param>
/// <param name="Stop">Where recovery stops; null when it goes to the end, or does not reach its target.</param>
/// <param name="Refusal">Why the target is not reached; null when it is, or there is none.</param>
/// <param name="LiesBefore">Whether that is because it lies before the backup's end.</param>
sealed record RestoreCandidate(
    Lineage Lineage, ReceivedWal Received, PresentTimeline Present, BackupRecord Backup, WalRoute Route, PlannedStop? Stop, BarkeepException? Refusal, bool LiesBefore)
{
    /// <summary>Of two that are refused, the one whose reason says more. The other is an older one.</summary>
    public RestoreCandidate OrTelling(RestoreCandidate older) =>
        // Before the oldest there is nothing; of the others the newest timeline reaches furthest, and on it the oldest backup has all that was looked at.
        LiesBefore || (older.Lineage == Lineage && !older.LiesBefore && (older.Route.History.Timeline > Route.History.Timeline || HasSameEnd(older))) ? older : this;

    bool HasSameEnd(RestoreCandidate older) =>
        older.Route.History.Timeline == Route.History.Timeline && older.Route.End == Route.End && older.Refusal!.Kind == Refusal!.Kind;
}
