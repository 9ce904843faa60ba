using System.Runtime.InteropServices;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>The pages that a restore has to write, by the pack that holds them. Safe for several threads.</summary>
sealed class PageMoves(int packs)
{
    readonly Lock _lock = new();
    readonly List<PageMove>?[] _byPack = new List<PageMove>?[packs];

    /// <summary>Pages of zeros where something else is.</summary>
    public List<ZeroPages> Zeros { get; } = [];

    /// <summary>Bytes of all pages to write.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds pages of a manifest's entry.</summary>
    /// <param name="page">The first one's number in the file.</param>
    public void Add(PageRun run, int entry, long page)
    {
        lock (_lock)
        {
            Bytes += (long)run.Count * Page.Size;
            if (run.IsZeros)
            {
                Zeros.Add(new(run.Count, entry, page));
                return;
            }
            var moves = _byPack[run.Pack] ??= [];
            if (moves.Count > 0 && moves[^1] is var last && last.Entry == entry && last.First + last.Count == run.Ordinal && last.Page + last.Count == page)
            {
                CollectionsMarshal.AsSpan(moves)[^1] = last with { Count = last.Count + run.Count };
                return;
            }
            moves.Add(new(run.Ordinal, run.Count, entry, page));
        }
    }

    /// <summary>Adds a whole file that is not there: its zeros need not be written.</summary>
    public void AddFile(ManifestEntry entry, int index)
    {
        long page = 0;
        foreach (var run in entry.Runs)
        {
            if (!run.IsZeros)
            {
                Add(run, index, page);
            }
            page += run.Count;
        }
    }

    /// <summary>Forgets what was to be written of these files.</summary>
    public void Remove(IReadOnlySet<int> entries)
    {
        lock (_lock)
        {
            foreach (var moves in _byPack.OfType<List<PageMove>>())
            {
                Bytes -= moves.Where(m => entries.Contains(m.Entry)).Sum(static m => (long)m.Count * Page.Size);
                moves.RemoveAll(m => entries.Contains(m.Entry));
            }
            Bytes -= Zeros.Where(z => entries.Contains(z.Entry)).Sum(static z => (long)z.Count * Page.Size);
            Zeros.RemoveAll(z => entries.Contains(z.Entry));
        }
    }

    /// <summary>What is wanted of a pack, and no longer held here; null when nothing is.</summary>
    public List<PageMove>? Take(int pack)
    {
        var moves = _byPack[pack];
        _byPack[pack] = null;
        return moves;
    }

    /// <param name="Entry">Index of the file in the manifest.</param>
    public readonly record struct ZeroPages(int Count, int Entry, long Page);
}
