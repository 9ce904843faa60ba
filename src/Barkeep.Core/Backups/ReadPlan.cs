namespace Barkeep.Backups;

/// <summary>
/// Hands out the files' bytes in portions: a stretch of a large file, or many small files together. Each is one
/// statement on the server, and no longer than that holds back vacuum. Safe for several threads.
/// </summary>
sealed class ReadPlan(IReadOnlyList<BackupFile> files, long portion)
{
    /// <summary>More would make the statement's text long.</summary>
    const int MaximumPieces = 512;

    readonly Lock _lock = new();
    int _next;
    long _offset;

    /// <summary>Bytes in a portion when nothing limits the rate.</summary>
    public const long DefaultPortion = 64 << 20;

    /// <summary>The next portion.</summary>
    /// <param name="pieces">Takes it; emptied first.</param>
    /// <returns>False when all has been handed out.</returns>
    public bool TryNext(List<ReadPiece> pieces)
    {
        pieces.Clear();
        lock (_lock)
        {
            for (var left = portion; left > 0 && pieces.Count < MaximumPieces && _next < files.Count;)
            {
                var file = files[_next];
                var end = Math.Min(file.ListedLength, _offset + Math.Max(left - (left % FileReader.RowLength), FileReader.RowLength));
                if (end > _offset)
                {
                    pieces.Add(new(file, _offset, end));
                    left -= end - _offset;
                }
                (_next, _offset) = end == file.ListedLength ? (_next + 1, 0) : (_next, end);
            }
        }
        return pieces.Count > 0;
    }
}
