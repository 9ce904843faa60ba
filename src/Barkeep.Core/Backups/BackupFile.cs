using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// One file while it is backed up: as it was listed, what of it is to be read, and where its pages are stored. What is not read is as
/// it was in the earlier backup. Safe for several threads once reading has begun.
/// </summary>
sealed class BackupFile(string path, long length, long modifiedAt)
{
    /// <summary>The value of <see cref="FirstBlock"/> for a file that is no relation's.</summary>
    public const long NoBlock = -1;

    readonly Lock _lock = new();
    PageRange[]? _changed;
    PlacedRun[] _runs = [];
    int _runCount;
    long _lengthRead;
    bool _isGone;

    public string Path { get; } = path;

    /// <summary>Bytes when it was listed. What has been added since is in the WAL, so no more are read.</summary>
    public long ListedLength { get; } = length;

    /// <summary>The number, within its relation fork, of the file's first block; <see cref="NoBlock"/> when its pages bear no checksums.</summary>
    public long FirstBlock { get; init; } = NoBlock;

    /// <summary>The file of the same path in the earlier backup; null when there is none.</summary>
    public ManifestEntry? Earlier { get; set; }

    /// <summary>Whether all of it is read. What has changed by the WAL need not be compared with what is stored.</summary>
    public bool IsReadWhole => _changed is null;

    int PageCount => checked((int)Page.CountFor(ListedLength));

    /// <summary>How many stretches of it are to be read.</summary>
    public int RangeCount => _changed?.Length ?? (ListedLength > 0 ? 1 : 0);

    /// <summary>Bytes that are to be read.</summary>
    public long LengthToRead
    {
        get
        {
            var length = 0L;
            for (var i = 0; i < RangeCount; i++)
            {
                var (from, end) = RangeAt(i);
                length += end - from;
            }
            return length;
        }
    }

    readonly record struct PlacedRun(int FirstPage, int Count, int Pack, int Ordinal)
    {
        public bool IsFollowedBy(PlacedRun next) =>
            next.FirstPage == FirstPage + Count && next.Pack == Pack && (Pack < 0 || next.Ordinal == Ordinal + Count);
    }

    /// <summary>Has only these pages read: all others are as they were in the earlier backup, which has them.</summary>
    /// <param name="ranges">Ascending, apart from one another, within the file.</param>
    public void ReadOnly(PageRange[] ranges) => _changed = ranges;

    /// <summary>A stretch that is to be read: where in the file it begins and ends, in bytes.</summary>
    public (long Offset, long End) RangeAt(int number) => _changed is null
        ? (0, ListedLength)
        : ((long)_changed[number].First * Page.Size, Math.Min((long)_changed[number].End * Page.Size, ListedLength));

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
        var runs = new RunList();
        var length = _changed is null ? _lengthRead : ListedLength;
        if (_changed is null)
        {
            var placed = 0;
            AddRead(runs, ref placed, (int)Page.CountFor(length));
        }
        else
        {
            AddChanged(runs, _changed);
        }
        return new() { Kind = ManifestEntryKind.File, Path = Path, Length = length, ModifiedAt = modifiedAt, Runs = runs.Runs };
    }

    void AddChanged(RunList runs, PageRange[] changed)
    {
        var earlier = new RunCursor(Earlier!.Runs);
        var placed = 0;
        foreach (var range in changed)
        {
            AddEarlier(runs, ref earlier, range.First);
            AddRead(runs, ref placed, range.End);
        }
        AddEarlier(runs, ref earlier, PageCount);
    }

    static void AddEarlier(RunList runs, ref RunCursor earlier, int end)
    {
        while (runs.PageCount < end)
        {
            runs.Add(earlier.From(runs.PageCount, end - runs.PageCount) ?? throw new InvalidOperationException("pages that the earlier backup does not have were not read"));
        }
    }

    void AddRead(RunList runs, ref int placed, int end)
    {
        for (; placed < _runCount && _runs[placed].FirstPage < end; placed++)
        {
            var run = _runs[placed];
            // Truncated, and extended again, between the reads of two ranges: replaying the WAL does the same.
            runs.Add(PageRun.Zeros(run.FirstPage - runs.PageCount));
            runs.Add(new(run.Count, run.Pack, run.Ordinal));
        }
        runs.Add(PageRun.Zeros(end - runs.PageCount));
    }
}
