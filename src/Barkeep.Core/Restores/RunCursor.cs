using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Goes through a file's runs in pieces of any length.</summary>
struct RunCursor(IReadOnlyList<PageRun> runs)
{
    int _run;
    int _used;

    /// <summary>Pages left in the present run; 0 at the end of the file.</summary>
    public readonly int Left => _run < runs.Count ? runs[_run].Count - _used : 0;

    /// <summary>The next pages, all of one run, and moves on.</summary>
    /// <param name="count">At most <see cref="Left"/>.</param>
    public PageRun Take(int count)
    {
        var run = runs[_run];
        var taken = run.IsZeros ? PageRun.Zeros(count) : new PageRun(count, run.Pack, run.Ordinal + _used);
        _used += count;
        if (_used == run.Count)
        {
            _run++;
            _used = 0;
        }
        return taken;
    }
}
