using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>All that is known of one backup, for <see cref="BackupDetailsText"/> and <see cref="BackupDetailsJson"/> to show.</summary>
/// <param name="Previous">The backup before it; null for the oldest.</param>
/// <param name="Next">The backup after it; null for the newest.</param>
sealed record BackupDetails(ServerName Server, ServerBackup Backup, ServerBackup? Previous, ServerBackup? Next)
{
    /// <summary>Whether a retention policy is configured.</summary>
    public bool IsRetentionEnforced { get; init; }

    /// <summary>Backups that were taken incrementally since this one. They do not need it.</summary>
    public IReadOnlyList<BackupId> Children { get; init; } = [];

    /// <summary>Its properties; null without a manifest.</summary>
    public BackupInfo? Info => Backup.Info;

    /// <summary>Why it failed, or what is damaged; null otherwise.</summary>
    public string? Error => Backup.Record.Failure ?? (Backup.Status == "FAILED" ? BackupRecord.Interrupted : null);

    public string RetentionPolicy => IsRetentionEnforced || Backup.Record.Keep is not null ? Backup.Retention : "not enforced";

    public string PreviousBackup => Previous?.Id.ToString() ?? "- (this is the oldest base backup)";

    public string NextBackup => Next?.Id.ToString() ?? "- (this is the latest base backup)";

    /// <summary>Segments a second from its end to the next backup; null when there is none.</summary>
    public double? WalRate =>
        Info is { } info && Next?.Info is { } later && (later.BeginTime - info.EndTime).TotalSeconds is > 0 and var seconds ? Backup.LaterWal.Files / seconds : null;

    /// <summary>What compression has saved of the WAL after it, from 0 to 1; null when there is none.</summary>
    public double? WalRatio =>
        Info is { } info && Backup.LaterWal.Files > 0 ? 1 - ((double)Backup.LaterWal.Bytes / ((long)Backup.LaterWal.Files * info.SegmentSize)) : null;
}
