using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Which timeline a restore follows, as recovery_target_timeline has it: <c>latest</c>, <c>current</c> or a number.</summary>
public readonly record struct TimelineChoice
{
    readonly TimelineId? _timeline;

    public TimelineChoice(TimelineId timeline) => _timeline = timeline;

    /// <summary>The one that the server is on; where the backup does not lead to it, the newest that descends from the backup.</summary>
    public static TimelineChoice Latest => default;

    /// <summary>The one that the backup was taken on.</summary>
    public static TimelineChoice Current => new() { IsCurrent = true };

    public bool IsCurrent { get; private init; }

    /// <summary>The timeline for a backup taken on <paramref name="own"/>; null for <see cref="Latest"/>.</summary>
    public TimelineId? For(TimelineId own) => IsCurrent ? own : _timeline;

    public static bool TryParse(string text, out TimelineChoice choice)
    {
        choice = text == "current" ? Current : Latest;
        if (text is "current" or "latest")
        {
            return true;
        }
        var read = TimelineId.TryParse(text, out var timeline);
        choice = read ? new(timeline) : default;
        return read;
    }

    public override string ToString() => IsCurrent ? "current" : _timeline?.ToString() ?? "latest";
}
