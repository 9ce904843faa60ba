using System.Globalization;

namespace Barkeep.Wal;

/// <summary>A timeline: a branch in the history of a cluster, begun by initdb (1) or by a promotion. Commands and sentences write it as a decimal number, names of files as eight hex digits.</summary>
public readonly record struct TimelineId(uint Value) : IComparable<TimelineId>
{
    public static readonly TimelineId First = new(1);

    /// <summary>Eight hex digits, as names of files and objects have them.</summary>
    public string Hex => Value.ToString("X8", CultureInfo.InvariantCulture);

    /// <summary>The name of this timeline's history file: <c>00000002.history</c>.</summary>
    public string HistoryFileName => $"{Hex}.history";

    /// <summary>Parses a decimal number, as the server sends it and its files have it in their text.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimelineId timeline)
    {
        timeline = default;
        if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value == 0)
        {
            return false;
        }
        timeline = new(value);
        return true;
    }

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

    /// <summary>The decimal number.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);

    public static bool operator <(TimelineId a, TimelineId b) => a.Value < b.Value;
    public static bool operator >(TimelineId a, TimelineId b) => a.Value > b.Value;
    public static bool operator <=(TimelineId a, TimelineId b) => a.Value <= b.Value;
    public static bool operator >=(TimelineId a, TimelineId b) => a.Value >= b.Value;

    internal static bool IsUpperHex(ReadOnlySpan<char> text) => text.IndexOfAnyExcept("0123456789ABCDEF") < 0;
}
