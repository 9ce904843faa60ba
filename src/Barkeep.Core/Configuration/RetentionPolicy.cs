using System.Globalization;
using System.Text.RegularExpressions;

namespace Barkeep.Configuration;

/// <summary>
/// Which backups are to stay, as Barman writes it: <c>REDUNDANCY 3</c>, or <c>RECOVERY WINDOW OF 3 MONTHS</c>; and beyond Barman
/// <c>KEEP 24 HOURLY 7 DAILY 4 WEEKLY 12 MONTHLY</c>, any of the four. Case and the width of spaces do not matter. Its text is the canonical form.
/// </summary>
public sealed partial record RetentionPolicy
{
    /// <summary>All backups stay.</summary>
    public static readonly RetentionPolicy None = new();

    const int Most = 99_999;

    RetentionPolicy()
    {
    }

    /// <summary>So many of the newest; null in the other forms.</summary>
    public int? Redundancy { get; private init; }

    /// <summary>What is needed to restore any moment of so long; null in the other forms. A month is taken for 31 days, so that no month is too short.</summary>
    public TimeSpan? Window { get; private init; }

    /// <summary>How many hours, days, weeks and months are to keep their newest backup; empty in the other forms. Each period once, shortest first.</summary>
    public IReadOnlyList<(RetentionPeriod Period, int Count)> Periods { get; private init; } = [];

    public bool IsNone => this == None;

    string Text { get; init; } = "none";

    /// <summary>Reads a policy; nothing, and <c>none</c>, keep everything.</summary>
    /// <returns>False when it is none of the forms, or a number is 0 or has more than five digits.</returns>
    public static bool TryParse(string text, out RetentionPolicy policy)
    {
        policy = None;
        if (Blank().IsMatch(text))
        {
            return true;
        }
        var parsed = ParseRedundancy(text) ?? ParseWindow(text) ?? ParsePeriods(text);
        policy = parsed ?? None;
        return parsed is not null;
    }

    public override string ToString() => Text;

    static RetentionPolicy? ParseRedundancy(string text) =>
        RedundancyForm().Match(text) is { Success: true } match && TryNumber(match.Groups[1].Value, out var count)
            ? new() { Redundancy = count, Text = string.Create(CultureInfo.InvariantCulture, $"REDUNDANCY {count}") }
            : null;

    static RetentionPolicy? ParseWindow(string text)
    {
        if (WindowForm().Match(text) is not { Success: true } match || !TryNumber(match.Groups[1].Value, out var count))
        {
            return null;
        }
        var (days, unit) = char.ToUpperInvariant(match.Groups[2].Value[0]) switch
        {
            'D' => (1, "DAYS"),
            'W' => (7, "WEEKS"),
            _ => (31, "MONTHS"),
        };
        return new() { Window = TimeSpan.FromDays((long)days * count), Text = string.Create(CultureInfo.InvariantCulture, $"RECOVERY WINDOW OF {count} {unit}") };
    }

    static RetentionPolicy? ParsePeriods(string text)
    {
        if (PeriodsForm().Match(text) is not { Success: true } match)
        {
            return null;
        }
        var periods = new SortedDictionary<RetentionPeriod, int>();
        for (var i = 0; i < match.Groups[1].Captures.Count; i++)
        {
            if (!TryNumber(match.Groups[1].Captures[i].Value, out var count)
                || !periods.TryAdd(Enum.Parse<RetentionPeriod>(match.Groups[2].Captures[i].Value, ignoreCase: true), count))
            {
                return null;
            }
        }
        return new()
        {
            Periods = [.. periods.Select(static p => (p.Key, p.Value))],
            Text = $"KEEP {string.Join(' ', periods.Select(static p => string.Create(CultureInfo.InvariantCulture, $"{p.Value} {p.Key.ToString().ToUpperInvariant()}")))}",
        };
    }

    static bool TryNumber(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number is >= 1 and <= Most;

    /// <summary>By what it says: two that print the same are the same.</summary>
    public bool Equals(RetentionPolicy? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Text);

    [GeneratedRegex(@"^\s*(none\s*)?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Blank();

    [GeneratedRegex(@"^\s*redundancy\s+([0-9]+)\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex RedundancyForm();

    [GeneratedRegex(@"^\s*recovery\s+window\s+of\s+([0-9]+)\s+(day|week|month)s?\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex WindowForm();

    [GeneratedRegex(@"^\s*keep(?:\s+([0-9]+)\s+(hourly|daily|weekly|monthly))+\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PeriodsForm();
}
