using Barkeep.Packs;
using Barkeep.Postgres;

namespace Barkeep.Backups;

/// <summary>
/// Gathers pages of one file after another into frames, checks and hashes each page, and stores full frames. A page that the
/// earlier backup has in the same place is not stored but referred to. One a reader; its buffers are used again and again.
/// </summary>
/// <param name="recheck">Null when the cluster has no checksums.</param>
/// <param name="earlier">Null when there is no earlier backup.</param>
sealed class FrameBuilder(Packing packing, PageRecheck? recheck, EarlierBackup? earlier) : IDisposable
{
    const int Capacity = Page.PerFrame + (FileReader.RowLength / Page.Size);

    readonly FrameEncoder _encoder = packing.NewEncoder();
    readonly EarlierPages? _earlier = earlier is null ? null : new(earlier);
    readonly byte[] _pages = GC.AllocateUninitializedArray<byte>(Capacity * Page.Size, pinned: true);
    readonly UInt128[] _hashes = new UInt128[Capacity];
    readonly List<Stretch> _stretches = [];
    readonly List<SuspectPage> _suspects = [];
    int _count;

    /// <summary>Pages of one file that follow one another in it and in the frame.</summary>
    readonly record struct Stretch(BackupFile File, int FirstPage, int Count);

    /// <summary>Takes the bytes of one row, before <see cref="AcceptAsync"/>.</summary>
    public Memory<byte> Space => _pages.AsMemory(_count * Page.Size, FileReader.RowLength);

    /// <summary>Takes the first bytes of <see cref="Space"/> as a file's.</summary>
    /// <param name="offset">Where in the file they begin; a multiple of the page size.</param>
    /// <param name="length">A multiple of the page size, except at the file's end.</param>
    public async ValueTask AcceptAsync(BackupFile file, long offset, int length, CancellationToken cancellationToken)
    {
        file.Extend(offset + length);
        var from = _count * Page.Size;
        var pages = (int)Page.CountFor(length);
        _pages.AsSpan(from + length, (pages * Page.Size) - length).Clear();
        var whole = length / Page.Size;
        var first = (int)(offset / Page.Size);
        if (_earlier is not null && file.IsReadWhole)
        {
            await _earlier.SeekAsync(file, first, pages, cancellationToken);
        }
        for (var i = 0; i < pages; i++)
        {
            Take(file, first + i, from + (i * Page.Size), isWhole: i < whole);
        }
        if (_count >= Page.PerFrame)
        {
            await StoreAsync(Page.PerFrame, cancellationToken);
        }
    }

    /// <summary>Stores what is left.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_count > 0)
        {
            await StoreAsync(_count, cancellationToken);
        }
    }

    public void Dispose() => _encoder.Dispose();

    void Take(BackupFile file, int number, int at, bool isWhole)
    {
        var page = _pages.AsSpan(at, Page.Size);
        if (!page.ContainsAnyExcept((byte)0))
        {
            file.Place(number, PageRun.Zeros(1));
            return;
        }
        var isSuspect = recheck is not null && isWhole && file.FirstBlock >= 0 && !new DataPage(page).IsIntact((uint)(file.FirstBlock + number));
        var hash = FrameCodec.HashOf(page);
        if (!isSuspect && _earlier is not null && file.IsReadWhole && _earlier.TryGet(number, hash, out var place))
        {
            file.Place(number, place);
            return;
        }
        var slot = _count++;
        if (at != slot * Page.Size)
        {
            page.CopyTo(_pages.AsSpan(slot * Page.Size));
        }
        if (isSuspect)
        {
            _suspects.Add(new(file, number, slot));
        }
        _hashes[slot] = hash;
        if (_stretches.Count > 0 && _stretches[^1] is var last && last.File == file && last.FirstPage + last.Count == number)
        {
            _stretches[^1] = last with { Count = last.Count + 1 };
        }
        else
        {
            _stretches.Add(new(file, number, 1));
        }
    }

    async ValueTask StoreAsync(int count, CancellationToken cancellationToken)
    {
        if (_suspects.Count > 0)
        {
            await recheck!.CheckAsync(_suspects, _pages, cancellationToken);
            foreach (var suspect in _suspects)
            {
                _hashes[suspect.Slot] = FrameCodec.HashOf(_pages.AsSpan(suspect.Slot * Page.Size, Page.Size));
            }
            _suspects.Clear();
        }
        var stored = _encoder.Encode(_pages.AsMemory(0, count * Page.Size), _hashes.AsSpan(0, count), out var encoding);
        var (pack, ordinal) = await packing.AppendAsync(stored, encoding, _hashes.AsMemory(0, count), cancellationToken);
        Place(count, pack, ordinal);
        _pages.AsSpan(count * Page.Size, (_count - count) * Page.Size).CopyTo(_pages);
        _hashes.AsSpan(count, _count - count).CopyTo(_hashes);
        _count -= count;
    }

    void Place(int count, int pack, int ordinal)
    {
        var done = 0;
        var taken = 0;
        while (taken < count)
        {
            var stretch = _stretches[done];
            var part = Math.Min(stretch.Count, count - taken);
            stretch.File.Place(stretch.FirstPage, new(part, pack, ordinal + taken));
            taken += part;
            if (part < stretch.Count)
            {
                _stretches[done] = stretch with { FirstPage = stretch.FirstPage + part, Count = stretch.Count - part };
                break;
            }
            done++;
        }
        _stretches.RemoveRange(0, done);
    }
}
