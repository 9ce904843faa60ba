using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>What becomes of a backup.</summary>
/// <param name="Lineage">The number of its lineage.</param>
/// <param name="Reason">Why, in half a sentence.</param>
public sealed record RetentionVerdict(int Lineage, BackupRecord Backup, RetentionStatus Status, string Reason);
