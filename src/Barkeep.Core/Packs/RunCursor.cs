namespace Barkeep.Packs;

/// <summary>Goes forward through a file's runs: a whole file costs one pass.</summary>
struct RunCursor(IReadOnlyList<PageRun> runs)
{
    int _run;
    long _first;
    long _page;

    /// <summary>Pages left in the present run; 0 at the end of the file.</summary>
    public readonly int Left => _run < runs.Count ? (int)(_first + runs[_run].Count - _page) : 0;

    /// <summary>The next pages, all of one run, and moves on.</summary>
    /// <param name="count">At most <see cref="Left"/>.</param>
    public PageRun Take(int count)
    {
        var taken = Slice(count);
        MoveTo(_page + count);
        return taken;
    }

    /// <summary>The run from a page on, at most so many pages; null beyond the end. Pages must not go back.</summary>
    public PageRun? From(int page, int count)
    {
        MoveTo(page);
        return _run < runs.Count ? Slice(Math.Min(count, Left)) : null;
    }

    /// <summary>Whether the cursor has gone beyond a page.</summary>
    public readonly bool IsBeyond(int page) => page < _first;

    void MoveTo(long page)
    {
        _page = page;
        while (_run < runs.Count && page >= _first + runs[_run].Count)
        {
            _first += runs[_run].Count;
            _run++;
        }
    }

    readonly PageRun Slice(int count)
    {
        var run = runs[_run];
        return run.IsZeros ? PageRun.Zeros(count) : new(count, run.Pack, run.Ordinal + (int)(_page - _first));
    }
}
