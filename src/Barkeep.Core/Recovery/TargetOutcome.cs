using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>Where recovery from a backup along a route would stop for a target, or why it would fail.</summary>
public sealed record TargetOutcome
{
    public required RecoveryTarget Target { get; init; }

    /// <summary>The record at which it stops, where it gets there; null otherwise.</summary>
    public RecoveryStop? Stop { get; init; }

    /// <summary>Why the target cannot be reached, in a line for people; null when it can.</summary>
    public string? Obstacle { get; init; }

    /// <summary>Whether the obstacle is that the target lies before the backup: an earlier one may do.</summary>
    public bool IsBeforeBackup { get; init; }

    /// <summary>The transaction of which the target is a subtransaction, which is why recovery does not stop at it; 0 otherwise, or where that is not known.</summary>
    public uint PartOf { get; init; }

    public bool IsReached => Obstacle is null;

    /// <summary>The last commit that is replayed, or that can be when the target is not reached; null when the WAL has none.</summary>
    public CommitMoment? LastCommit { get; init; }

    /// <summary>Whether nothing happened up to a time, at which no record lets recovery stop, but what can be replayed: it is reached at the end of the WAL.</summary>
    /// <param name="idleUntil">Until when nothing more is known to have happened; null when that is not known.</param>
    public bool IsAllBefore(DateTimeOffset time, DateTimeOffset? idleUntil) => TimestampTz.From(time) == LastCommit?.Time || time <= idleUntil;

    /// <summary>The end of the WAL that can be replayed.</summary>
    public required Lsn End { get; init; }
}
