namespace Barkeep.Keeping;

/// <summary>
/// How old backups are, by what has happened since and not by a clock: the age of the newest is nothing, whatever the time is now, and a clock that was
/// wrong for a while makes no backup old (docs/operations.md, "Which backups stay").
/// </summary>
public static class BackupAges
{
    /// <summary>A stretch without backups counts as so long at least.</summary>
    static readonly TimeSpan LeastStretch = TimeSpan.FromDays(1);

    /// <summary>Reckons.</summary>
    /// <param name="times">When each ended, in the order in which they were taken.</param>
    /// <returns>How old each was when the newest was taken; never increasing.</returns>
    public static TimeSpan[] Reckon(IReadOnlyList<DateTimeOffset> times)
    {
        var ages = new TimeSpan[times.Count];
        var credible = FindCredible(times);
        var stretches = Stretches([.. credible.Select(i => times[i])]);

        // Backwards: one whose time is not credible is as old as the next newer one that is.
        var age = TimeSpan.Zero;
        var at = credible.Count - 1;
        for (var i = times.Count - 1; i >= 0; i--)
        {
            if (at >= 0 && credible[at] == i)
            {
                if (at + 1 < credible.Count)
                {
                    age += stretches[at];
                }
                at--;
            }
            ages[i] = age;
        }
        return ages;
    }

    // The longest run of backups whose times ascend as their order does: a clock that was wrong for a while is outvoted.
    static List<int> FindCredible(IReadOnlyList<DateTimeOffset> times)
    {
        var ends = new List<int>();
        var before = new int[times.Count];
        for (var i = 0; i < times.Count; i++)
        {
            var (low, high) = (0, ends.Count);
            while (low < high)
            {
                var middle = (low + high) / 2;
                (low, high) = times[ends[middle]] <= times[i] ? (middle + 1, high) : (low, middle);
            }
            before[i] = low == 0 ? -1 : ends[low - 1];
            if (low == ends.Count)
            {
                ends.Add(i);
            }
            else
            {
                ends[low] = i;
            }
        }
        var credible = new List<int>();
        for (var i = ends.Count == 0 ? -1 : ends[^1]; i >= 0; i = before[i])
        {
            credible.Add(i);
        }
        credible.Reverse();
        return credible;
    }

    // A stretch counts at most as twice the longest other: a clock that jumps ahead and stays there makes a single long one.
    static TimeSpan[] Stretches(List<DateTimeOffset> times)
    {
        var stretches = new TimeSpan[Math.Max(0, times.Count - 1)];
        var (longest, second) = (TimeSpan.Zero, TimeSpan.Zero);
        for (var i = 0; i < stretches.Length; i++)
        {
            stretches[i] = times[i + 1] - times[i];
            (longest, second) = stretches[i] > longest ? (stretches[i], longest) : (longest, stretches[i] > second ? stretches[i] : second);
        }
        var limit = 2 * second > LeastStretch ? 2 * second : LeastStretch;
        return [.. stretches.Select(s => s > limit ? limit : s)];
    }
}
