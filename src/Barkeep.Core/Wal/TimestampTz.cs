using System.Buffers.Binary;
using System.Globalization;

namespace Barkeep.Wal;

/// <summary>A time as WAL records bear it: microseconds since 2000-01-01 00:00 UTC (timestamp.h, TimestampTz).</summary>
public readonly record struct TimestampTz(long Microseconds) : IComparable<TimestampTz>
{
    const long EpochTicks = 630_822_816_000_000_000;
    const long Least = -EpochTicks / TimeSpan.TicksPerMicrosecond;
    static readonly long Greatest = (DateTimeOffset.MaxValue.Ticks - EpochTicks) / TimeSpan.TicksPerMicrosecond;

    /// <summary>The microsecond in which a time lies.</summary>
    public static TimestampTz From(DateTimeOffset time) =>
        new((long)Math.Floor((time.UtcTicks - EpochTicks) / (decimal)TimeSpan.TicksPerMicrosecond));

    /// <summary>Reads the 8 bytes of a record.</summary>
    public static TimestampTz Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadInt64LittleEndian(bytes));

    /// <summary>This time in UTC; one before year 1 or after 9999, which no server's clock shows, becomes the first or last that there is.</summary>
    public DateTimeOffset ToDateTimeOffset() =>
        new(EpochTicks + (Math.Clamp(Microseconds, Least, Greatest) * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    public int CompareTo(TimestampTz other) => Microseconds.CompareTo(other.Microseconds);

    /// <summary>As PostgreSQL shows it in UTC: <c>2026-11-23 14:02:11.123456+00</c>.</summary>
    public override string ToString() => Print(TimeZoneInfo.Utc);

    /// <summary>As PostgreSQL shows it in a time zone: a time with its offset, which recovery_target_time takes.</summary>
    public string Print(TimeZoneInfo zone)
    {
        var utc = ToDateTimeOffset();
        // Near the first and the last year another zone may have no such time.
        var local = utc.Year is > 1 and < 9999 ? TimeZoneInfo.ConvertTime(utc, zone) : utc;
        var offset = local.Offset;
        var minutes = offset.Minutes == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $":{Math.Abs(offset.Minutes):00}");
        return string.Create(
            CultureInfo.InvariantCulture, $"{local:yyyy-MM-dd HH:mm:ss.FFFFFF}{(offset < TimeSpan.Zero ? '-' : '+')}{Math.Abs(offset.Hours):00}{minutes}");
    }

    public static bool operator <(TimestampTz a, TimestampTz b) => a.Microseconds < b.Microseconds;
    public static bool operator >(TimestampTz a, TimestampTz b) => a.Microseconds > b.Microseconds;
    public static bool operator <=(TimestampTz a, TimestampTz b) => a.Microseconds <= b.Microseconds;
    public static bool operator >=(TimestampTz a, TimestampTz b) => a.Microseconds >= b.Microseconds;

    public static TimestampTz Max(TimestampTz a, TimestampTz b) => a >= b ? a : b;
    public static TimestampTz Min(TimestampTz a, TimestampTz b) => a <= b ? a : b;
}
