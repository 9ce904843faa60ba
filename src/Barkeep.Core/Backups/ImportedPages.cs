using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Puts the pages of files that come one after another into packs, and keeps where they are.</summary>
/// <param name="files">How many files there are.</param>
sealed class ImportedPages(PackSeries packs, int files) : IDisposable
{
    // Stretches of zeros take no room in a frame: so many at most are kept back.
    const int MaxStretches = 1 << 16;

    readonly FrameEncoder _encoder = new(new());
    readonly byte[] _frame = new byte[FrameCodec.MaxRawLength];
    readonly UInt128[] _hashes = new UInt128[Page.PerFrame];
    readonly List<Stretch> _stretches = [];
    readonly List<PageRun>[] _runs = [.. Enumerable.Range(0, files).Select(static _ => new List<PageRun>())];
    readonly List<string> _names = [];
    int _count;

    readonly record struct Stretch(int File, int Count, bool IsZeros);

    /// <summary>The packs that <see cref="RunsOf"/> refer to.</summary>
    public IReadOnlyList<string> Packs => _names;

    /// <summary>Where a file's pages are, once all have been flushed.</summary>
    public IReadOnlyList<PageRun> RunsOf(int file) => _runs[file];

    /// <summary>Takes a file's next page.</summary>
    /// <returns>Its hash.</returns>
    public async ValueTask<UInt128> AddAsync(int file, ReadOnlyMemory<byte> page, CancellationToken cancellationToken)
    {
        var isZeros = !page.Span.ContainsAnyExcept((byte)0);
        if (_count == Page.PerFrame || _stretches.Count == MaxStretches)
        {
            await FlushAsync(cancellationToken);
        }
        var hash = isZeros ? FileHash.ZeroPage : FrameCodec.HashOf(page.Span);
        if (!isZeros)
        {
            page.CopyTo(_frame.AsMemory(_count * Page.Size));
            _hashes[_count++] = hash;
        }
        if (_stretches.Count > 0 && _stretches[^1] is var last && last.File == file && last.IsZeros == isZeros)
        {
            _stretches[^1] = last with { Count = last.Count + 1 };
        }
        else
        {
            _stretches.Add(new(file, 1, isZeros));
        }
        return hash;
    }

    /// <summary>Stores what has been kept back.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var (pack, ordinal) = (-1, 0);
        if (_count > 0)
        {
            var stored = _encoder.Encode(_frame.AsMemory(0, _count * Page.Size), _hashes.AsSpan(0, _count), out var encoding);
            var place = await packs.AppendAsync(stored, encoding, _hashes.AsMemory(0, _count), cancellationToken);
            if (_names.Count == 0 || _names[^1] != place.Pack)
            {
                _names.Add(place.Pack);
            }
            (pack, ordinal) = (_names.Count - 1, place.Ordinal);
        }
        foreach (var stretch in _stretches)
        {
            Append(_runs[stretch.File], stretch.IsZeros ? PageRun.Zeros(stretch.Count) : new(stretch.Count, pack, ordinal));
            ordinal += stretch.IsZeros ? 0 : stretch.Count;
        }
        _stretches.Clear();
        _count = 0;
    }

    public void Dispose() => _encoder.Dispose();

    static void Append(List<PageRun> runs, PageRun run)
    {
        if (runs.Count > 0 && runs[^1] is var last && last.Pack == run.Pack && (run.IsZeros || last.Ordinal + last.Count == run.Ordinal))
        {
            runs[^1] = last with { Count = last.Count + run.Count };
        }
        else
        {
            runs.Add(run);
        }
    }
}
