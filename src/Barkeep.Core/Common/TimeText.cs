using System.Globalization;
using System.Text.RegularExpressions;

namespace Barkeep.Common;

/// <summary>
/// A time as people write it: ISO 8601 with T or a blank, seconds and their fraction optional; as ctime prints it, which is how backups are listed
/// (<c>Sun Nov 29 21:43:05 2026</c>); or with the month's name (<c>29 Nov 2026 21:43:05</c>). With an offset, Z, UTC, a zone's name such as Europe/Berlin,
/// or none. Abbreviations such as CET and EST, which mean different things, are not taken.
/// </summary>
/// <param name="Time">In whole microseconds: less is cut off.</param>
/// <param name="IsZoneAssumed">Whether no zone was written, and the given one was taken.</param>
public sealed partial record TimeText(DateTimeOffset Time, bool IsZoneAssumed)
{
    static readonly string[] Days = ["yyyy-MM-dd", "yyyyMMdd", "d MMM yyyy", "ddd d MMM yyyy"];
    static readonly string[] Clocks = ["HH:mm:ss.FFFFFF", "HH:mm", "HHmmss", "HHmm", "HH"];

    // What PostgreSQL's times have.
    const int MaxFraction = 6;

    /// <param name="zone">For a time without one.</param>
    /// <exception cref="BarkeepException">Usage: it cannot be read, or the zone's clock showed that time twice or never.</exception>
    public static TimeText Parse(string text, TimeZoneInfo zone)
    {
        var match = FormOf(text.Trim());
        if (!match.Success
            || !DateTime.TryParseExact(DayOf(match), Days, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            || !TryClock(match.Groups["clock"].Value, match.Groups["fraction"].Value, out var clock))
        {
            throw Unreadable(text);
        }
        var local = day + clock;
        return match.Groups["zone"].Value switch
        {
            "" => new(In(zone, local, text), true),
            ['+' or '-', ..] offset => new(new(local, OffsetOf(offset) ?? throw Unreadable(text)), false),
            var name when name.ToUpperInvariant() is "Z" or "UTC" or "GMT" => new(new(local, TimeSpan.Zero), false),
            var name when !name.Contains('/', StringComparison.Ordinal) => throw Ambiguous(text, name),
            var name => new(In(TimeZoneInfo.TryFindSystemTimeZoneById(name, out var named) ? named : throw Unreadable(text), local, text), false),
        };
    }

    static Match FormOf(string text) =>
        Numbers().Match(text) is { Success: true } numbers ? numbers : Ctime().Match(text) is { Success: true } ctime ? ctime : MonthByName().Match(text);

    // The day of the week, where it is written, must be right.
    static string DayOf(Match match) => match.Groups["day"] is { Success: true } day
        ? day.Value
        : string.Join(' ', ((string[])["weekday", "date", "month", "year"]).Select(part => match.Groups[part].Value).Where(static part => part.Length > 0));

    static bool TryClock(string text, string fraction, out TimeSpan clock)
    {
        clock = default;
        if (text.Length == 0)
        {
            return true;
        }
        var exact = fraction.Length == 0 ? text : $"{text}.{fraction[..Math.Min(fraction.Length, MaxFraction)]}";
        if (!DateTime.TryParseExact(exact, Clocks, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
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
        if (zone.IsInvalidTime(local))
        {
            // The clock was put forward: what it would have shown without that is a time that was there.
            var meant = TimeZoneInfo.ConvertTime(new DateTimeOffset(local, zone.GetUtcOffset(local)), zone);
            throw Changed("did not exist", $"the moment at which a clock that was not put forward showed it is '{WithOffset(meant)}'");
        }
        if (zone.IsAmbiguousTime(local))
        {
            var offsets = zone.GetAmbiguousTimeOffsets(local).OrderDescending().Select(o => $"'{WithOffset(new(local, o))}'");
            throw Changed("was there twice", $"write the offset: {string.Join(" or ", offsets)}");
        }
        return new(local, zone.GetUtcOffset(local));

        BarkeepException Changed(string how, string hint) => new(ErrorKind.Usage, $"the time '{text}' {how} in the zone {zone.Id}, where the clock was changed", hint);

        static string WithOffset(DateTimeOffset time) => time.ToString("yyyy-MM-dd HH:mm:sszzz", CultureInfo.InvariantCulture);
    }

    static BarkeepException Unreadable(string text) =>
        new(ErrorKind.Usage, $"'{text}' is not a time", "write it as '2026-11-23 01:30:00+01:00'; the offset may be Z, UTC or a zone such as Europe/Berlin");

    static BarkeepException Ambiguous(string text, string name) =>
        new(ErrorKind.Usage, $"'{name}' in the time '{text}' is an abbreviation, and such mean different zones", "write the offset, such as +01:00, or the zone's name, such as Europe/Berlin");

    const string Clock = @"(?<clock>\d\d:\d\d:\d\d)(?:\.(?<fraction>\d{1,9}))?";
    const string Zone = @"(?<zone>[+-]\d\d(?::?\d\d)?|[A-Za-z]+/[A-Za-z_+\-/0-9]+|[A-Za-z]{1,5})";

    [GeneratedRegex(@"^(?<day>\d{4}-\d\d-\d\d|\d{8})(?:[T ]\s*(?:" + Clock + @"|(?<clock>\d\d(?::\d\d)?|\d{4}|\d{6})))?\s*" + Zone + "?$", RegexOptions.CultureInvariant)]
    private static partial Regex Numbers();

    // date prints the zone before the year.
    [GeneratedRegex(@"^(?:(?<weekday>[A-Za-z]{3})\s+)?(?<month>[A-Za-z]{3})\s+(?<date>\d{1,2})\s+" + Clock + @"(?:\s+" + Zone + @")?\s+(?<year>\d{4})(?:\s*" + Zone + ")?$", RegexOptions.CultureInvariant)]
    private static partial Regex Ctime();

    [GeneratedRegex(@"^(?:(?<weekday>[A-Za-z]{3}),?\s+)?(?<date>\d{1,2})\s+(?<month>[A-Za-z]{3})\s+(?<year>\d{4})(?:,?\s+" + Clock + @")?(?:\s*" + Zone + ")?$", RegexOptions.CultureInvariant)]
    private static partial Regex MonthByName();
}
