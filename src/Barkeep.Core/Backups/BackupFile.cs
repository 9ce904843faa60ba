using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>One file while it is backed up: as it was listed, and where what was read of it is stored. Safe for several threads.</summary>
sealed class BackupFile(string path, long length, long modifiedAt)
{
    /// <summary>The value of <see cref="FirstBlock"/> for a file that is no relation's.</summary>
    public const long NoBlock = -1;

    readonly Lock _lock = new();
    PlacedRun[] _runs = [];
    int _runCount;
    long _lengthRead;
    bool _isGone;

    public string Path { get; } = path;

    /// <summary>Bytes when it was listed. What has been added since is in the WAL, so no more are read.</summary>
    public long ListedLength { get; } = length;

    /// <summary>The number, within its relation fork, of the file's first block; <see cref="NoBlock"/> when its pages bear no checksums.</summary>
    public long FirstBlock { get; init; } = NoBlock;

    readonly record struct PlacedRun(int FirstPage, int Count, int Pack, int Ordinal)
    {
        public bool IsFollowedBy(PlacedRun next) =>
            next.FirstPage == FirstPage + Count && next.Pack == Pack && (Pack < 0 || next.Ordinal == Ordinal + Count);
    }

    /// <summary>The file was removed while the backup ran: the WAL says so too, and it is left out.</summary>
    public void MarkGone()
    {
        lock (_lock)
        {
            _isGone = true;
        }
    }

    /// <summary>Says that bytes up to a position were there to be read.</summary>
    public void Extend(long end)
    {
        lock (_lock)
        {
            _lengthRead = Math.Max(_lengthRead, end);
        }
    }

    /// <summary>Says where pages are stored.</summary>
    /// <param name="run">Zeros, or a place in a pack.</param>
    public void Place(int firstPage, PageRun run)
    {
        var placed = new PlacedRun(firstPage, run.Count, run.Pack, run.Ordinal);
        lock (_lock)
        {
            if (_runCount > 0 && _runs[_runCount - 1].IsFollowedBy(placed))
            {
                _runs[_runCount - 1] = _runs[_runCount - 1] with { Count = _runs[_runCount - 1].Count + run.Count };
                return;
            }
            if (_runCount == _runs.Length)
            {
                Array.Resize(ref _runs, Math.Max(1, 2 * _runCount));
            }
            _runs[_runCount++] = placed;
        }
    }

    /// <summary>The manifest's entry, once all has been read; null when the file was removed meanwhile.</summary>
    public ManifestEntry? ToEntry()
    {
        if (_isGone)
        {
            return null;
        }
        Array.Sort(_runs, 0, _runCount, Comparer<PlacedRun>.Create(static (a, b) => a.FirstPage.CompareTo(b.FirstPage)));
        var runs = new List<PageRun>(_runCount);
        var next = 0;
        foreach (var run in _runs.AsSpan(0, _runCount))
        {
            if (run.FirstPage > next)
            {
                // Truncated, and extended again, between the reads of two ranges: replaying the WAL does the same.
                Add(runs, PageRun.Zeros(run.FirstPage - next));
            }
            Add(runs, new(run.Count, run.Pack, run.Ordinal));
            next = run.FirstPage + run.Count;
        }
        return new() { Kind = ManifestEntryKind.File, Path = Path, Length = _lengthRead, ModifiedAt = modifiedAt, Runs = runs };
    }

    static void Add(List<PageRun> runs, PageRun run)
    {
        var follows = runs.Count > 0 && runs[^1].Pack == run.Pack && (run.IsZeros || runs[^1].Ordinal + runs[^1].Count == run.Ordinal);
        if (follows)
        {
            runs[^1] = runs[^1] with { Count = runs[^1].Count + run.Count };
        }
        else
        {
            runs.Add(run);
        }
    }
}
