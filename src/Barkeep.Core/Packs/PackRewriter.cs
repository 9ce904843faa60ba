using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>
/// Copies the pages that are still needed from one generation of a pack to the next. Frames that are needed whole are copied as they
/// are stored, the pages of others gathered into new frames. No page is copied whose hash was not checked, and since the generation
/// before is removed afterwards, every new frame is decoded before it is stored.
/// </summary>
/// <param name="codec">Is the rewriter's from now on.</param>
sealed class PackRewriter(StoredPack pack, PackReader from, PackWriter to, PageSet needed, FrameCodec codec) : IDisposable
{
    readonly FrameEncoder _encoder = new(codec, sample: 1);
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _raw = new byte[FrameCodec.MaxRawLength];
    readonly byte[] _gathered = new byte[FrameCodec.MaxRawLength];
    readonly UInt128[] _hashes = new UInt128[Page.PerFrame];
    readonly int[] _ordinals = new int[Page.PerFrame];
    int _count;

    /// <exception cref="BarkeepException">Damaged: what is needed cannot be read, and nothing has been put.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        for (var number = 0; number < from.Index.Frames.Count; number++)
        {
            var frame = from.Index.Frames[number];
            var positions = Enumerable.Range(frame.FirstPosition, frame.Pages).Where(p => needed.Contains(from.Index.OrdinalAt(p))).ToArray();
            if (positions.Length == 0)
            {
                continue;
            }
            var pages = await from.ReadFrameAsync(number, codec, _stored, _raw, cancellationToken);
            Check(frame, positions, pages.Span);
            if (positions.Length == frame.Pages)
            {
                await FlushAsync(cancellationToken);
                await CopyAsync(frame, cancellationToken);
                continue;
            }
            foreach (var position in positions)
            {
                if (_count == Page.PerFrame)
                {
                    await FlushAsync(cancellationToken);
                }
                pages.Slice((position - frame.FirstPosition) * Page.Size, Page.Size).CopyTo(_gathered.AsMemory(_count * Page.Size));
                (_hashes[_count], _ordinals[_count]) = (from.Index.HashAt(position), from.Index.OrdinalAt(position));
                _count++;
            }
        }
        await FlushAsync(cancellationToken);
        if (to.PageCount != needed.Count)
        {
            throw Record.Damaged(pack.ToString(), $"{needed.Count} of its pages are needed, and {to.PageCount} of these are there");
        }
    }

    public void Dispose() => _encoder.Dispose();

    void Check(PackIndex.Frame frame, int[] positions, ReadOnlySpan<byte> pages)
    {
        foreach (var position in positions)
        {
            if (FrameCodec.HashOf(pages.Slice((position - frame.FirstPosition) * Page.Size, Page.Size)) != from.Index.HashAt(position))
            {
                throw Record.Damaged(pack.ToString(), $"its page {from.Index.OrdinalAt(position)} does not match its hash");
            }
        }
    }

    async Task CopyAsync(PackIndex.Frame frame, CancellationToken cancellationToken)
    {
        for (var i = 0; i < frame.Pages; i++)
        {
            (_hashes[i], _ordinals[i]) = (from.Index.HashAt(frame.FirstPosition + i), from.Index.OrdinalAt(frame.FirstPosition + i));
        }
        await to.AppendAsync(_stored.AsMemory(0, frame.StoredLength), frame.Encoding, _hashes.AsMemory(0, frame.Pages), _ordinals.AsMemory(0, frame.Pages), cancellationToken);
    }

    async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_count > 0)
        {
            var stored = _encoder.Encode(_gathered.AsMemory(0, _count * Page.Size), _hashes.AsSpan(0, _count), out var encoding);
            await to.AppendAsync(stored, encoding, _hashes.AsMemory(0, _count), _ordinals.AsMemory(0, _count), cancellationToken);
            _count = 0;
        }
    }
}
