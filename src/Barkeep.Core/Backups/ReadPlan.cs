using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>
/// Hands out the stretches of files that are to be read in portions: a part of a large file, many small files, or thousands of
/// scattered pages together. Each is one statement on the server, and no longer than that holds back vacuum. Safe for
/// several threads.
/// </summary>
sealed class ReadPlan
{
    /// <summary>More would make the statement's text long.</summary>
    const int MaximumFiles = 512;
    const int MaximumPieces = 8192;

    /// <summary>Bytes in a portion when nothing limits the rate.</summary>
    const long DefaultPortion = 64 << 20;

    /// <summary>Less is not worth a statement.</summary>
    const long LeastPortion = 1 << 20;

    readonly Lock _lock = new();
    readonly IReadOnlyList<BackupFile> _files;
    readonly long _portion;
    int _next;
    int _range;
    long _offset;

    /// <param name="readers">How many read at the same time; each should get several portions.</param>
    /// <param name="limit">Bytes in a portion at most.</param>
    public ReadPlan(IReadOnlyList<BackupFile> files, int readers, long limit = DefaultPortion)
    {
        _files = files;
        Length = files.Sum(static f => f.LengthToRead);
        _portion = Math.Clamp(Length / (4L * readers), Math.Min(LeastPortion, limit), Math.Min(DefaultPortion, limit));
    }

    /// <summary>Bytes that are to be read in all.</summary>
    public long Length { get; }

    /// <summary>The next portion.</summary>
    /// <param name="pieces">Takes it, those of one file after one another; emptied first.</param>
    /// <returns>False when all has been handed out.</returns>
    public bool TryNext(List<ReadPiece> pieces)
    {
        pieces.Clear();
        lock (_lock)
        {
            var files = 0;
            for (var left = _portion; left > 0 && pieces.Count < MaximumPieces && files < MaximumFiles && _next < _files.Count;)
            {
                var file = _files[_next];
                if (_range == file.RangeCount)
                {
                    (_next, _range) = (_next + 1, 0);
                    files += pieces.Count > 0 && pieces[^1].File == file ? 1 : 0;
                    continue;
                }
                var (begin, rangeEnd) = file.RangeAt(_range);
                var from = Math.Max(begin, _offset);
                var end = Math.Min(rangeEnd, from + Math.Max(left - (left % FileReader.RowLength), FileReader.RowLength));
                pieces.Add(new(file, from, end));
                left -= Math.Max(end - from, Page.Size);
                (_range, _offset) = end == rangeEnd ? (_range + 1, 0) : (_range, end);
            }
        }
        return pieces.Count > 0;
    }
}
