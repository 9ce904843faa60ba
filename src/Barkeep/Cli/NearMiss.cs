namespace Barkeep.Cli;

/// <summary>What a person may have meant who mistyped a name.</summary>
static class NearMiss
{
    const int MaxShown = 4;

    /// <summary>The names nearest to a word; those that it begins when none is near. Empty when nothing comes close.</summary>
    public static IReadOnlyList<string> Of(string word, IEnumerable<string> names)
    {
        var known = names.Distinct().ToList();
        // One slip in short words, more in long ones.
        var limit = Math.Clamp(word.Length / 3, 1, 3);
        var near = known.Select(n => (Name: n, Distance: Distance(word, n))).Where(n => n.Distance <= limit).ToList();
        var found = near.Count > 0
            ? near.Where(n => n.Distance == near.Min(static m => m.Distance)).Select(static n => n.Name)
            : known.Where(n => word.Trim('-').Length >= 3 && n.StartsWith(word, StringComparison.OrdinalIgnoreCase));
        return [.. found.Take(MaxShown)];
    }

    // Letters to insert, leave out, replace, or swap with their neighbour.
    static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                rows[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + (char.ToLowerInvariant(a[i - 1]) == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
                }
            }
        }
        return rows[a.Length, b.Length];
    }
}
