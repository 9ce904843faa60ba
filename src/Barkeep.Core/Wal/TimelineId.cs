using System.Globalization;

namespace Barkeep.Wal;

/// <summary>A timeline: a branch in the history of a cluster, begun by initdb (1) or by a promotion. Files write it as eight hex digits.</summary>
public readonly record struct TimelineId(uint Value) : IComparable<TimelineId>
{
    public static readonly TimelineId First = new(1);

    /// <summary>The name of this timeline's history file: <c>00000002.history</c>.</summary>
    public string HistoryFileName => $"{this}.history";

    /// <summary>Parses the eight hex digits of a file name.</summary>
    public static bool TryParseHex(ReadOnlySpan<char> text, out TimelineId timeline)
    {
        timeline = default;
        if (text.Length != 8 || !IsUpperHex(text) || !uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value == 0)
        {
            return false;
        }
        timeline = new(value);
        return true;
    }

    public int CompareTo(TimelineId other) => Value.CompareTo(other.Value);

    /// <summary>Eight hex digits.</summary>
    public override string ToString() => Value.ToString("X8", CultureInfo.InvariantCulture);

    public static bool operator <(TimelineId a, TimelineId b) => a.Value < b.Value;
    public static bool operator >(TimelineId a, TimelineId b) => a.Value > b.Value;
    public static bool operator <=(TimelineId a, TimelineId b) => a.Value <= b.Value;
    public static bool operator >=(TimelineId a, TimelineId b) => a.Value >= b.Value;

    internal static bool IsUpperHex(ReadOnlySpan<char> text) => text.IndexOfAnyExcept("0123456789ABCDEF") < 0;
}
