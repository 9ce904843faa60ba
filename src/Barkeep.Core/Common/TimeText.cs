using System.Globalization;
using System.Text.RegularExpressions;

namespace Barkeep.Common;

/// <summary>
/// A time as people write it: ISO 8601 with T or a blank, seconds and their fraction optional, and an offset, Z, UTC, a zone's name
/// such as Europe/Berlin, or none. Abbreviations such as CET and EST, which mean different things, are not taken.
/// </summary>
/// <param name="IsZoneAssumed">Whether no zone was written, and the given one was taken.</param>
public sealed partial record TimeText(DateTimeOffset Time, bool IsZoneAssumed)
{
    static readonly string[] Days = ["yyyy-MM-dd", "yyyyMMdd"];
    static readonly string[] Clocks = ["HH:mm:ss.FFFFFF", "HH:mm", "HHmmss", "HHmm", "HH"];

    /// <param name="zone">For a time without one.</param>
    /// <exception cref="BarkeepException">Usage: it cannot be read, or the zone's clock showed that time twice or never.</exception>
    public static TimeText Parse(string text, TimeZoneInfo zone)
    {
        if (Form().Match(text.Trim()) is not { Success: true } match
            || !DateTime.TryParseExact(match.Groups["day"].Value, Days, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            || !TryClock(match.Groups["clock"].Value, out var clock))
        {
            throw Unreadable(text);
        }
        var local = day + clock;
        return match.Groups["zone"].Value.Trim() switch
        {
            "" => new(In(zone, local, text), true),
            "Z" or "z" => new(new(local, TimeSpan.Zero), false),
            ['+' or '-', ..] offset => new(new(local, OffsetOf(offset) ?? throw Unreadable(text)), false),
            var name => new(In(TimeZoneInfo.TryFindSystemTimeZoneById(name, out var named) ? named : throw Unreadable(text), local, text), false),
        };
    }

    static bool TryClock(string text, out TimeSpan clock)
    {
        clock = default;
        if (text.Length == 0)
        {
            return true;
        }
        if (!DateTime.TryParseExact(text, Clocks, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
        {
            return false;
        }
        clock = time.TimeOfDay;
        return true;
    }

    static TimeSpan? OffsetOf(string text)
    {
        var digits = text[1..].Replace(":", "", StringComparison.Ordinal).PadRight(4, '0');
        var (hours, minutes) = (int.Parse(digits[..2], CultureInfo.InvariantCulture), int.Parse(digits[2..4], CultureInfo.InvariantCulture));
        var offset = new TimeSpan(hours, minutes, 0);
        return minutes > 59 || offset > TimeSpan.FromHours(14) ? null : text[0] == '-' ? -offset : offset;
    }

    static DateTimeOffset In(TimeZoneInfo zone, DateTime local, string text)
    {
        var how = zone.IsInvalidTime(local) ? "did not exist" : zone.IsAmbiguousTime(local) ? "was there twice" : null;
        return how is null
            ? new(local, zone.GetUtcOffset(local))
            : throw new BarkeepException(ErrorKind.Usage, $"the time '{text}' {how} in the zone {zone.Id}, where the clock was changed", $"write the offset: '{local:yyyy-MM-dd HH:mm:ss}+00:00'");
    }

    static BarkeepException Unreadable(string text) =>
        new(ErrorKind.Usage, $"'{text}' is not a time", "write it as '2026-11-23 01:30:00+01:00'; the offset may be Z, UTC or a zone such as Europe/Berlin");

    [GeneratedRegex(@"^(?<day>\d{4}-\d\d-\d\d|\d{8})(?:[T ]\s*(?<clock>\d\d(?::\d\d(?::\d\d(?:\.\d{1,6})?)?)?|\d{4}|\d{6}))?\s*(?<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?|[A-Za-z]+/[A-Za-z_+\-/0-9]+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
