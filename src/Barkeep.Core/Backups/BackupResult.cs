using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>A backup that exists: its manifest is durable.</summary>
/// <param name="State">Done, or WaitingForWals.</param>
/// <param name="Missing">The first segment that is not in the repository yet, if any.</param>
/// <param name="Warnings">What the user should know, a line each.</param>
public sealed record BackupResult(BackupId Id, BackupState State, BackupInfo Info, SegmentName? Missing, IReadOnlyList<string> Warnings);
