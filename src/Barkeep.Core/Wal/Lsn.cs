using System.Globalization;

namespace Barkeep.Wal;

/// <summary>A log sequence number: a byte position in the WAL, written <c>16/B374D848</c> as PostgreSQL's pg_lsn is.</summary>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>
{
    /// <summary>PostgreSQL's InvalidXLogRecPtr, 0/0: no position.</summary>
    public static readonly Lsn Invalid;

    public bool IsValid => Value != 0;

    /// <exception cref="FormatException">Not two hexadecimal halves with a slash.</exception>
    public static Lsn Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var lsn) ? lsn : throw new FormatException($"'{text}' is not an LSN like 16/B374D848");

    public static bool TryParse(ReadOnlySpan<char> text, out Lsn lsn)
    {
        lsn = default;
        var slash = text.IndexOf('/');
        if (slash is < 1 or > 8 || text.Length - slash - 1 is < 1 or > 8
            || !uint.TryParse(text[..slash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !uint.TryParse(text[(slash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
        {
            return false;
        }
        lsn = new(((ulong)high << 32) | low);
        return true;
    }

    /// <summary>This position rounded down to a multiple of <paramref name="unit"/>, a power of two.</summary>
    public Lsn AlignDown(long unit) => new(Value & ~(ulong)(unit - 1));

    /// <summary>This position rounded up to a multiple of <paramref name="unit"/>, a power of two.</summary>
    public Lsn AlignUp(long unit) => new((Value + (ulong)(unit - 1)) & ~(ulong)(unit - 1));

    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    public override string ToString() => $"{Value >> 32:X}/{(uint)Value:X}";

    public static bool operator <(Lsn a, Lsn b) => a.Value < b.Value;
    public static bool operator >(Lsn a, Lsn b) => a.Value > b.Value;
    public static bool operator <=(Lsn a, Lsn b) => a.Value <= b.Value;
    public static bool operator >=(Lsn a, Lsn b) => a.Value >= b.Value;
    public static Lsn operator +(Lsn a, long bytes) => new(a.Value + (ulong)bytes);

    /// <summary>The distance in bytes.</summary>
    public static long operator -(Lsn a, Lsn b) => (long)(a.Value - b.Value);

    public static Lsn Max(Lsn a, Lsn b) => a >= b ? a : b;
    public static Lsn Min(Lsn a, Lsn b) => a <= b ? a : b;
}
