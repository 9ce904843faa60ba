using System.Globalization;
using System.Text.RegularExpressions;

namespace Barkeep.Configuration;

/// <summary>A stretch of time as Barman's configuration has it: <c>1 DAY</c>, <c>6 HOURS</c>. Prints itself in lower case.</summary>
/// <param name="Length">A month counts 31 days.</param>
public readonly partial record struct AgeLimit(TimeSpan Length, string Text)
{
    public static bool TryParse(string text, out AgeLimit limit)
    {
        limit = default;
        if (Form().Match(text) is not { Success: true } match || !int.TryParse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            return false;
        }
        var unit = match.Groups[2].Value.ToLowerInvariant();
        var length = unit switch
        {
            "second" => TimeSpan.FromSeconds(count),
            "minute" => TimeSpan.FromMinutes(count),
            "hour" => TimeSpan.FromHours(count),
            "day" => TimeSpan.FromDays(count),
            "week" => TimeSpan.FromDays(7L * count),
            _ => TimeSpan.FromDays(31L * count),
        };
        limit = new(length, string.Create(CultureInfo.InvariantCulture, $"{count} {unit}{(count == 1 ? "" : "s")}"));
        return true;
    }

    public override string ToString() => Text;

    [GeneratedRegex(@"^\s*([0-9]{1,6})\s+(second|minute|hour|day|week|month)s?\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
