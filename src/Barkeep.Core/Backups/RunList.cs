using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>A file's runs as they are put together, in the order of its pages. Runs that continue one another become one.</summary>
sealed class RunList
{
    readonly List<PageRun> _runs = [];

    public IReadOnlyList<PageRun> Runs => _runs;

    /// <summary>Pages so far: the number of the next one.</summary>
    public int PageCount { get; private set; }

    public void Add(PageRun run)
    {
        if (run.Count == 0)
        {
            return;
        }
        PageCount += run.Count;
        if (_runs.Count > 0 && _runs[^1] is var last && last.Pack == run.Pack && (run.IsZeros || last.Ordinal + last.Count == run.Ordinal))
        {
            _runs[^1] = last with { Count = last.Count + run.Count };
        }
        else
        {
            _runs.Add(run);
        }
    }
}
