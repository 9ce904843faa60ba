using Barkeep.Keeping;

namespace Barkeep.Backups;

/// <summary>
/// Which frames of earlier backups' packs a backup stores anew (docs/format.md, "Consolidation"): a restore decodes whole frames, so
/// that what is no longer needed of them costs it time. Each backup does no more than it can pay for.
/// </summary>
public static class ConsolidationRule
{
    /// <summary>A backup does something when its frames hold so many pages for each one that it needs …</summary>
    const double Tolerated = 1.4;

    /// <summary>… until they hold so many.</summary>
    const double Wanted = 1.3;

    /// <summary>A pack of which no more pages are needed counts as small: 64 MiB.</summary>
    const int Small = 8192;

    /// <summary>So many small packs are tolerated; merging brings them down to half.</summary>
    const int ToleratedSmall = 64;

    /// <summary>Pages that every backup can pay for: 32 MiB.</summary>
    const long LeastBudget = 4096;

    /// <summary>Chooses.</summary>
    /// <param name="frames">Those of earlier backups' packs that hold a page that is needed.</param>
    /// <param name="own">Pages that the backup has stored itself.</param>
    /// <param name="read">Pages that it has read from the server.</param>
    public static IReadOnlyList<FrameUse> Choose(IReadOnlyList<FrameUse> frames, long own, long read)
    {
        var chosen = ChooseSparse(frames, own, Math.Max(LeastBudget, 2 * read));
        var taken = chosen.ToHashSet();
        return [.. chosen, .. ChooseOfSmallPacks([.. frames.Where(f => !taken.Contains(f))], Math.Max(LeastBudget, read))];
    }

    static List<FrameUse> ChooseSparse(IReadOnlyList<FrameUse> frames, long own, long budget)
    {
        var needed = own + frames.Sum(static f => (long)f.Needed);
        var held = own + frames.Sum(static f => (long)f.Pages);
        var chosen = new List<FrameUse>();
        if (held <= Tolerated * needed)
        {
            return chosen;
        }
        foreach (var frame in frames.OrderBy(static f => (double)f.Needed / f.Pages))
        {
            budget -= frame.Needed;
            if (held <= Wanted * needed || budget < 0)
            {
                break;
            }
            held -= frame.Pages - frame.Needed;
            chosen.Add(frame);
        }
        return chosen;
    }

    static List<FrameUse> ChooseOfSmallPacks(IReadOnlyList<FrameUse> frames, long budget)
    {
        var small = frames.GroupBy(static f => f.Pack).Select(static p => (Frames: p, Needed: p.Sum(static f => f.Needed))).Where(static p => p.Needed < Small).OrderBy(static p => p.Needed).ToList();
        var chosen = new List<FrameUse>();
        if (small.Count <= ToleratedSmall)
        {
            return chosen;
        }
        foreach (var pack in small.Take(small.Count - (ToleratedSmall / 2)))
        {
            budget -= pack.Needed;
            if (budget < 0)
            {
                break;
            }
            chosen.AddRange(pack.Frames);
        }
        return chosen;
    }
}
