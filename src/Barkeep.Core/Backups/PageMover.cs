using Barkeep.Common;
using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>Stores pages of another backup's pack anew. One a thread.</summary>
sealed class PageMover(PackStore packs, Packing packing) : IDisposable
{
    readonly FrameEncoder _encoder = packing.NewEncoder();
    readonly FrameCodec _codec = new();
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _raw = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _pages = new byte[FrameCodec.MaxRawLength];
    readonly UInt128[] _hashes = new UInt128[Page.PerFrame];
    readonly int[] _ordinals = new int[Page.PerFrame];
    int _count;

    /// <summary>Moves pages.</summary>
    /// <param name="pack">The pack's name.</param>
    /// <param name="wanted">Stretches of ordinals, ascending.</param>
    /// <param name="moved">Takes what has been moved, even when this fails half-way.</param>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing: the pack cannot be read.</exception>
    public async Task MoveAsync(string pack, IReadOnlyList<(int Ordinal, int Count)> wanted, MovedPages moved, CancellationToken cancellationToken)
    {
        using var reader = await packs.OpenAsync(pack, cancellationToken);
        var frame = -1;
        var next = 0;
        foreach (var (first, count) in wanted)
        {
            for (var ordinal = Math.Max(first, next); ordinal < first + count; ordinal++)
            {
                next = ordinal + 1;
                var position = reader.Index.PositionOf(ordinal);
                var number = position < 0 ? throw Damaged(pack, ordinal, "is not there") : reader.Index.FrameAt(position);
                if (number != frame)
                {
                    await reader.ReadFrameAsync(number, _codec, _stored, _raw, cancellationToken);
                    frame = number;
                }
                Take(pack, ordinal, reader.Index.HashAt(position), _raw.AsSpan((position - reader.Index.Frames[number].FirstPosition) * Page.Size, Page.Size));
                if (_count == Page.PerFrame)
                {
                    await StoreAsync(moved, cancellationToken);
                }
            }
        }
        await StoreAsync(moved, cancellationToken);
    }

    public void Dispose()
    {
        _encoder.Dispose();
        _codec.Dispose();
    }

    void Take(string pack, int ordinal, UInt128 hash, ReadOnlySpan<byte> page)
    {
        if (FrameCodec.HashOf(page) != hash)
        {
            throw Damaged(pack, ordinal, "does not match its hash");
        }
        page.CopyTo(_pages.AsSpan(_count * Page.Size));
        _hashes[_count] = hash;
        _ordinals[_count] = ordinal;
        _count++;
    }

    async ValueTask StoreAsync(MovedPages moved, CancellationToken cancellationToken)
    {
        if (_count == 0)
        {
            return;
        }
        var stored = _encoder.Encode(_pages.AsMemory(0, _count * Page.Size), _hashes.AsSpan(0, _count), out var encoding);
        var (number, to) = await packing.AppendAsync(stored, encoding, _hashes.AsMemory(0, _count), cancellationToken);
        for (var i = 0; i < _count; i++)
        {
            moved.Add(_ordinals[i], number, to + i);
        }
        _count = 0;
    }

    static BarkeepException Damaged(string pack, int ordinal, string what) => new(ErrorKind.Damaged, $"page {ordinal} of pack {pack} {what}");
}
