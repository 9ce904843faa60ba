using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>Looks up, row by row, what the earlier backup has in the place of the pages that are being read. One a reader.</summary>
sealed class EarlierPages(EarlierBackup earlier)
{
    const int Capacity = FileReader.RowLength / Page.Size;

    readonly PageRun[] _places = new PageRun[Capacity];
    readonly UInt128[] _hashes = new UInt128[Capacity];
    BackupFile? _file;
    RunCursor _cursor;
    int _first;

    /// <summary>Looks up the pages of one row.</summary>
    public async ValueTask SeekAsync(BackupFile file, int first, int count, CancellationToken cancellationToken)
    {
        _first = first;
        Array.Fill(_places, PageRun.Zeros(0));
        if (file.Earlier is null)
        {
            return;
        }
        if (file != _file || _cursor.IsBeyond(first))
        {
            (_file, _cursor) = (file, new(file.Earlier.Runs));
        }
        for (var page = first; page < first + count;)
        {
            if (_cursor.From(page, first + count - page) is not { } run)
            {
                return;
            }
            if (!run.IsZeros && await earlier.TryGetIndexAsync(run.Pack, cancellationToken) is { } index)
            {
                Note(page - first, run, index);
            }
            page += run.Count;
        }
    }

    /// <summary>Whether a page of the row is stored already, and where.</summary>
    public bool TryGet(int number, UInt128 hash, out PageRun place)
    {
        place = _places[number - _first];
        return place.Count > 0 && _hashes[number - _first] == hash && !earlier.IsDamaged(_file!.Path, number);
    }

    void Note(int at, PageRun run, PackIndex index)
    {
        // Pages that follow one another have positions that do.
        if (!index.Holds(run.Ordinal, run.Count))
        {
            return;
        }
        var position = index.PositionOf(run.Ordinal);
        for (var i = 0; i < run.Count; i++)
        {
            _places[at + i] = new(1, run.Pack, run.Ordinal + i);
            _hashes[at + i] = index.HashAt(position + i);
        }
    }
}
