using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>What was found of the WAL that a backup needs.</summary>
/// <param name="Missing">The first segment that is not in the repository; null when all are.</param>
/// <param name="Fault">
/// WalDiverged: it is not the server's that the backup was taken from, which is FAILED now. Damaged, ObjectMissing: it cannot be read, so it is not known whose it is.
/// Null when nothing is wrong with what is here.
/// </param>
public readonly record struct WalCheck(SegmentName? Missing, BarkeepException? Fault)
{
    /// <summary>Whether the backup is DONE.</summary>
    public bool IsComplete => Missing is null && Fault is null;
}
