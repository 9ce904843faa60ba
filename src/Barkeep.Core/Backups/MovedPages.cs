using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>Where pages of one pack have been stored anew.</summary>
sealed class MovedPages
{
    readonly List<(int Ordinal, PageRun To)> _moved = [];

    /// <summary>Pages that have been moved.</summary>
    public int Count { get; private set; }

    /// <param name="ordinal">Above all those before.</param>
    public void Add(int ordinal, int pack, int to)
    {
        Count++;
        if (_moved.Count > 0 && _moved[^1] is var last && last.Ordinal + last.To.Count == ordinal && last.To.Pack == pack && last.To.Ordinal + last.To.Count == to)
        {
            _moved[^1] = last with { To = last.To with { Count = last.To.Count + 1 } };
        }
        else
        {
            _moved.Add((ordinal, new(1, pack, to)));
        }
    }

    /// <summary>Adds a run of the pack to a list, with what has been moved in its new place.</summary>
    public void Translate(PageRun run, RunList into)
    {
        var end = run.Ordinal + run.Count;
        var at = run.Ordinal;
        for (var i = FirstAfter(run.Ordinal); i < _moved.Count && _moved[i].Ordinal < end; i++)
        {
            var (ordinal, to) = _moved[i];
            if (ordinal > at)
            {
                into.Add(new(ordinal - at, run.Pack, at));
                at = ordinal;
            }
            var count = Math.Min(ordinal + to.Count, end) - at;
            into.Add(new(count, to.Pack, to.Ordinal + at - ordinal));
            at += count;
        }
        into.Add(new(end - at, run.Pack, at));
    }

    // The first stretch that ends after an ordinal.
    int FirstAfter(int ordinal)
    {
        var (low, high) = (0, _moved.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _moved[middle].Ordinal + _moved[middle].To.Count <= ordinal ? (middle + 1, high) : (low, middle);
        }
        return low;
    }
}
