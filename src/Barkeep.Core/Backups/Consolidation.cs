using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Stores anew what a backup needs of packs that have become sparse or are too many, so that restores stay as fast as after a full backup.</summary>
/// <param name="damage">Takes the packs that cannot be read.</param>
sealed class Consolidation(PackStore packs, Packing packing, PackDamage damage, int jobs)
{
    /// <summary>Consolidates.</summary>
    /// <param name="entries">Of the manifest to be; pages that are stored anew get their new place.</param>
    /// <param name="pagesRead">Pages read from the server for this backup.</param>
    public async Task RunAsync(List<ManifestEntry> entries, long pagesRead, CancellationToken cancellationToken)
    {
        // What is needed, and of how much.
        var stretches = StretchesOf(entries);
        var frames = new List<FrameUse>();
        for (var pack = 0; pack < packing.EarlierCount; pack++)
        {
            if (stretches[pack].Count > 0)
            {
                await UnlessDamagedAsync(pack, async () => AddFrames(frames, pack, await packs.CountPagesAsync(packing.Names[pack], cancellationToken), stretches[pack]), cancellationToken);
            }
        }

        // What of it is worth storing anew.
        var own = stretches.Skip(packing.EarlierCount).Sum(static p => p.Sum(static s => (long)s.Count));
        var chosen = ConsolidationRule.Choose(frames, own, pagesRead).GroupBy(static f => f.Pack).ToDictionary(static p => p.Key, static p => p.Select(static f => f.Frame).ToHashSet());
        if (chosen.Count == 0)
        {
            return;
        }
        var moved = new Dictionary<int, MovedPages>();
        foreach (var pack in chosen.Keys)
        {
            moved.Add(pack, new());
        }
        await Parallel.ForEachAsync(chosen, new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken },
            async (pack, token) => await MoveAsync(pack.Key, Within(stretches[pack.Key], pack.Value), moved[pack.Key], token));

        // Where it is now.
        for (var i = 0; i < entries.Count; i++)
        {
            if (entries[i].Runs.Any(r => moved.ContainsKey(r.Pack)))
            {
                entries[i] = Translate(entries[i], moved);
            }
        }
    }

    async Task MoveAsync(int pack, List<(int Ordinal, int Count)> wanted, MovedPages moved, CancellationToken cancellationToken)
    {
        using var mover = new PageMover(packs, packing);
        await UnlessDamagedAsync(pack, () => mover.MoveAsync(packing.Names[pack], wanted, moved, cancellationToken), cancellationToken);
    }

    async Task UnlessDamagedAsync(int pack, Func<Task> use, CancellationToken cancellationToken)
    {
        try
        {
            await use();
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            await damage.NoteAsync(packing.Names[pack], e, cancellationToken);
        }
    }

    // By pack, the stretches of ordinals that are needed, ascending.
    List<(int Ordinal, int Count)>[] StretchesOf(List<ManifestEntry> entries)
    {
        var stretches = new List<(int Ordinal, int Count)>[packing.Names.Count];
        for (var pack = 0; pack < stretches.Length; pack++)
        {
            stretches[pack] = [];
        }
        foreach (var run in entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros))
        {
            stretches[run.Pack].Add((run.Ordinal, run.Count));
        }
        foreach (var pack in stretches)
        {
            pack.Sort();
        }
        return stretches;
    }

    static void AddFrames(List<FrameUse> frames, int pack, int pages, List<(int Ordinal, int Count)> stretches)
    {
        var (last, length) = stretches[^1];
        var needed = new int[((last + length - 1) / Page.PerFrame) + 1];
        foreach (var (ordinal, count) in stretches)
        {
            for (var at = ordinal; at < ordinal + count;)
            {
                var end = Math.Min(((at / Page.PerFrame) + 1) * Page.PerFrame, ordinal + count);
                needed[at / Page.PerFrame] += end - at;
                at = end;
            }
        }
        // A later generation lacks ordinals, and its frames are as full as others: take them all to be equally dense.
        var isSparse = last + length > pages;
        var density = (double)needed.Sum() / Math.Max(pages, 1);
        for (var frame = 0; frame < needed.Length; frame++)
        {
            if (needed[frame] > 0)
            {
                var held = isSparse ? (int)(needed[frame] / density) : pages - (frame * Page.PerFrame);
                frames.Add(new(pack, frame, Math.Max(needed[frame], Math.Min(held, Page.PerFrame)), needed[frame]));
            }
        }
    }

    static List<(int Ordinal, int Count)> Within(List<(int Ordinal, int Count)> stretches, HashSet<int> frames)
    {
        var within = new List<(int Ordinal, int Count)>();
        foreach (var (ordinal, count) in stretches)
        {
            for (var at = ordinal; at < ordinal + count;)
            {
                var end = Math.Min(((at / Page.PerFrame) + 1) * Page.PerFrame, ordinal + count);
                if (frames.Contains(at / Page.PerFrame))
                {
                    within.Add((at, end - at));
                }
                at = end;
            }
        }
        return within;
    }

    static ManifestEntry Translate(ManifestEntry entry, Dictionary<int, MovedPages> moved)
    {
        var runs = new RunList();
        foreach (var run in entry.Runs)
        {
            if (!run.IsZeros && moved.TryGetValue(run.Pack, out var pages))
            {
                pages.Translate(run, runs);
            }
            else
            {
                runs.Add(run);
            }
        }
        return entry with { Runs = runs.Runs };
    }
}
