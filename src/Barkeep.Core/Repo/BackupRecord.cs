using Barkeep.Common;

namespace Barkeep.Repo;

/// <summary>A backup in the catalog.</summary>
/// <param name="Info">Its properties, once it has a manifest.</param>
/// <param name="StartedAt">When it began; null when the record of that is gone.</param>
/// <param name="Failure">Why it failed, or what is damaged; null otherwise.</param>
public sealed record BackupRecord(BackupId Id, BackupState State, BackupInfo? Info, DateTimeOffset? StartedAt, string? Failure)
{
    /// <summary>Why a backup failed that neither ended nor runs.</summary>
    public const string Interrupted = "interrupted: the process that took it ended without a word";

    /// <summary>With what it is kept until it is released; null when it is not.</summary>
    public KeepTarget? Keep { get; init; }
}
