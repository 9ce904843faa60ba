using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Finds a file's pages among its runs, going forward: a whole file costs one pass.</summary>
struct RunCursor(IReadOnlyList<PageRun> runs)
{
    int _run;
    int _first;

    /// <summary>The run from a page on, at most so many pages; null beyond the end. Pages must not go back.</summary>
    public PageRun? From(int page, int count)
    {
        while (_run < runs.Count && page >= _first + runs[_run].Count)
        {
            _first += runs[_run].Count;
            _run++;
        }
        if (_run >= runs.Count)
        {
            return null;
        }
        var run = runs[_run];
        var skipped = page - _first;
        var length = Math.Min(count, run.Count - skipped);
        return run.IsZeros ? PageRun.Zeros(length) : new(length, run.Pack, run.Ordinal + skipped);
    }

    /// <summary>Whether the cursor has gone beyond a page.</summary>
    public readonly bool IsBeyond(int page) => page < _first;
}
