using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Targets;

/// <summary>A stretch of one history of which every moment can be restored: from where its first backup is consistent to where gap-free WAL ends.</summary>
public sealed record RecoveryWindow
{
    /// <summary>The WAL, from the begin of the first backup on, up to the last whole record.</summary>
    public required WalRoute Route { get; init; }

    /// <summary>Those that are consistent within it, in that order; at least one.</summary>
    public required IReadOnlyList<BackupRecord> Backups { get; init; }

    /// <summary>The last commit that can be restored; null when its WAL has none.</summary>
    public required CommitMoment? LastCommit { get; init; }

    /// <summary>Why later WAL of this history cannot be reached, in a line for people; null when there is none.</summary>
    public required string? EndedBy { get; init; }

    public TimelineId Timeline => Route.History.Timeline;

    /// <summary>Where the first backup is consistent.</summary>
    public Lsn From => Backups[0].Info!.EndLsn;

    /// <summary>When the first backup was consistent.</summary>
    public DateTimeOffset FromTime => Backups[0].Info!.EndTime;

    public Lsn To => Route.End;

    /// <summary>Until when the server is known to have been idle after it: a time up to then is reached at its end. Null when it was not, or that is not known.</summary>
    /// <param name="receiver">What the cluster's receiver last said.</param>
    public DateTimeOffset? IdleUntil(ReceiverState? receiver) =>
        EndedBy is null && receiver?.IdleUntil(Timeline, Route.ReceivedEnd) is { } until && TimestampTz.From(until) > (LastCommit?.Time ?? TimestampTz.From(FromTime)) ? until : null;
}
