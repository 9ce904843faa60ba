using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>What a restore did.</summary>
/// <param name="Plan">What was restored: backup, WAL, tablespaces.</param>
/// <param name="Timeline">The timeline that recovery follows; the restored cluster opens on a new one.</param>
/// <param name="ReachedLsn">All that was committed before this position is there once PostgreSQL has replayed the WAL.</param>
/// <param name="Bytes">Bytes written, data and WAL.</param>
/// <param name="Delta">Null when the directory was empty.</param>
/// <param name="Warnings">For people, one line each.</param>
public sealed record RestoreResult(
    RestorePlan Plan, TimelineId Timeline, Lsn ReachedLsn, long Bytes, int FileCount, TimeSpan Elapsed, DeltaResult? Delta,
    IReadOnlyList<string> Warnings, IReadOnlyList<DisarmedSetting> Disarmed);
