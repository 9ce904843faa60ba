using Barkeep.Recovery;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>How recovery of the restored cluster goes: which settings it gets for that (PostgreSQL manual, "Archive Recovery" and "Recovery Target").</summary>
public sealed record RecoveryPlan
{
    // Replay finds everything in pg_wal; PostgreSQL does not begin without a command, and where it fails looks there.
    const string NothingMore = "false";

    /// <summary>The timeline that is followed; a standby follows the newest from there on when it is null.</summary>
    public required TimelineId? Timeline { get; init; }

    /// <summary>Null to replay everything.</summary>
    public RecoveryTarget? Target { get; init; }

    /// <summary>What PostgreSQL is told instead of <see cref="Target"/>, where it would not find that itself.</summary>
    public RecoveryTarget? Equivalent { get; init; }

    /// <summary>What happens at the target; means nothing without one.</summary>
    public TargetAction Action { get; init; } = TargetAction.Pause;

    /// <summary>What gets WAL that is not in pg_wal, as restore_command has it; null when all of it is there.</summary>
    public string? RestoreCommand { get; init; }

    /// <summary>Whether the restored cluster becomes a standby, which goes on replaying what comes.</summary>
    public bool IsStandby { get; init; }

    internal const string RecoverySignal = "recovery.signal";
    internal const string StandbySignal = "standby.signal";

    internal string SignalFile => IsStandby ? StandbySignal : RecoverySignal;

    // A pause without connections is a shutdown (validateRecoveryParameters); otherwise recovery would stop where the original's
    // limits were higher than this cluster's.
    bool IsOpenMeanwhile => IsStandby || (Target is not null && Action == TargetAction.Pause);

    /// <summary>In the order in which they are written.</summary>
    internal IEnumerable<(string Name, string Value)> Settings()
    {
        var target = Equivalent ?? Target;
        yield return ("restore_command", RestoreCommand ?? NothingMore);
        yield return ("recovery_target_timeline", Timeline is { } timeline ? timeline.ToString() : "latest");
        // PostgreSQL reads the file from its first line to its last, and takes one that is emptied after another was set for a second target.
        foreach (var kind in Enum.GetValues<RecoveryTargetKind>().OrderBy(kind => kind == target?.Kind))
        {
            var name = kind == RecoveryTargetKind.Immediate ? "recovery_target" : $"recovery_target_{kind.ToString().ToLowerInvariant()}";
            yield return (name, target?.Kind == kind ? target.Value : "");
        }
        if (target is not null)
        {
            yield return ("recovery_target_inclusive", target.IsInclusive ? "on" : "off");
            yield return ("recovery_target_action", Action.ToString().ToLowerInvariant());
        }
        yield return ("hot_standby", IsOpenMeanwhile ? "on" : "off");
    }
}
