using System.Globalization;

namespace Barkeep.Common;

/// <summary>A backup's id: the local time at its start, <c>20261123T131251</c>. Ids of one server ascend.</summary>
public readonly record struct BackupId : IComparable<BackupId>
{
    const string Form = "yyyyMMdd'T'HHmmss";

    readonly DateTime _time;

    BackupId(DateTime time) => _time = time;

    /// <exception cref="FormatException">Not the id of a backup.</exception>
    public static BackupId Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not a backup's id like 20261123T131251");

    public static bool TryParse(ReadOnlySpan<char> text, out BackupId id)
    {
        var known = DateTime.TryParseExact(text, Form, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time);
        id = new(time);
        return known;
    }

    /// <summary>The id for a backup that starts now: later than every earlier one, even when the clock has gone back.</summary>
    public static BackupId Next(DateTimeOffset now, BackupId? newest)
    {
        var local = now.LocalDateTime;
        var time = new DateTime(local.Ticks - (local.Ticks % TimeSpan.TicksPerSecond), DateTimeKind.Unspecified);
        return new(newest is { } last && time <= last._time ? last._time.AddSeconds(1) : time);
    }

    public int CompareTo(BackupId other) => _time.CompareTo(other._time);

    public override string ToString() => _time.ToString(Form, CultureInfo.InvariantCulture);

    public static bool operator <(BackupId a, BackupId b) => a._time < b._time;
    public static bool operator >(BackupId a, BackupId b) => a._time > b._time;
    public static bool operator <=(BackupId a, BackupId b) => a._time <= b._time;
    public static bool operator >=(BackupId a, BackupId b) => a._time >= b._time;
}
