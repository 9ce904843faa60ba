using System.Globalization;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Which timeline a restore follows, as recovery_target_timeline has it: <c>latest</c>, <c>current</c> or a number.</summary>
public readonly record struct TimelineChoice
{
    readonly uint _number;

    /// <exception cref="ArgumentOutOfRangeException">The number is 0.</exception>
    public TimelineChoice(uint number)
    {
        ArgumentOutOfRangeException.ThrowIfZero(number);
        _number = number;
    }

    /// <summary>The newest that descends from the backup.</summary>
    public static TimelineChoice Latest => default;

    /// <summary>The one that the backup was taken on.</summary>
    public static TimelineChoice Current => new() { IsCurrent = true };

    public bool IsCurrent { get; private init; }

    /// <summary>The timeline for a backup taken on <paramref name="own"/>; null for the newest.</summary>
    public TimelineId? For(TimelineId own) => IsCurrent ? own : _number > 0 ? new TimelineId(_number) : null;

    public static bool TryParse(string text, out TimelineChoice choice)
    {
        choice = text == "current" ? Current : Latest;
        if (text is "current" or "latest")
        {
            return true;
        }
        var read = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
        choice = read ? new(number) : default;
        return read;
    }

    public override string ToString() => IsCurrent ? "current" : _number > 0 ? _number.ToString(CultureInfo.InvariantCulture) : "latest";
}
