using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>What is noted of a pack that was found damaged (docs/format.md, "Records"): which of its pages are hurt, as far as that is known.</summary>
/// <param name="Pages">Stretches of hurt pages: first, count, first, count …; null when any may be.</param>
sealed record DamageMark(string Pack, string How, IReadOnlyList<int>? Pages)
{
    const string Kind = "damaged";
    const int Version = 1;

    /// <summary>Stretches that a mark names at most; with more, it names none.</summary>
    const int MaxRuns = 1 << 12;

    public static byte[] Seal(StoredPack pack, string how, PageSet? pages)
    {
        var runs = pages?.Runs().Take(MaxRuns + 1).SelectMany(static r => (int[])[r.First, r.Count]).ToList();
        return Record.Seal(Kind, Version, new(pack.ToString(), how, runs?.Count > 2 * MaxRuns ? null : runs), PackJson.Default.DamageMark);
    }

    /// <summary>The hurt pages; null when any may be. A mark that makes no sense still says that the pack is damaged.</summary>
    public static PageSet? PagesOf(string name, StoredPack pack, byte[] bytes)
    {
        try
        {
            var mark = Record.Open(name, Kind, Version, bytes, PackJson.Default.DamageMark);
            if (mark.Pack != pack.ToString() || mark.Pages is not { Count: > 0 } runs || runs.Count % 2 != 0)
            {
                return null;
            }
            var pages = new PageSet();
            for (var i = 0; i < runs.Count; i += 2)
            {
                if (runs[i] is < 0 or >= PackIndex.MaxPages || runs[i + 1] < 1 || runs[i + 1] > PackIndex.MaxPages - runs[i])
                {
                    return null;
                }
                pages.Add(runs[i], runs[i + 1]);
            }
            return pages;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return null;
        }
    }
}
