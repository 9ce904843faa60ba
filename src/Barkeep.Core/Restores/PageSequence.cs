using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>
/// Reads files of a backup page by page from the first to the last, and hands on none whose hash it has not checked. What was read last is kept, since
/// what follows in a file mostly follows in its pack: some packs and frames, at most about 100 MiB.
/// </summary>
sealed class PageSequence(Lineage lineage, Manifest manifest) : IDisposable
{
    const int HeldPacks = 8;
    const int HeldFrames = 48;

    readonly FrameCodec _codec = new();
    readonly byte[] _stored = new byte[FrameCodec.MaxRawLength];
    readonly Dictionary<int, PackReader> _packs = [];
    readonly Queue<int> _packOrder = new();
    readonly Dictionary<(int Pack, int Frame), byte[]> _frames = [];
    readonly Queue<(int Pack, int Frame)> _frameOrder = new();
    readonly byte[] _zeros = new byte[FrameCodec.MaxRawLength];

    /// <summary>Hands on the bytes of a file, in pieces.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task ReadAsync(ManifestEntry entry, Func<ReadOnlyMemory<byte>, Task> take, CancellationToken cancellationToken)
    {
        var rest = entry.Length;
        foreach (var run in entry.Runs)
        {
            for (var done = 0; done < run.Count;)
            {
                var piece = run.IsZeros
                    ? _zeros.AsMemory(0, Math.Min(run.Count - done, Page.PerFrame) * Page.Size)
                    : await ReadAsync(run, done, cancellationToken);
                done += piece.Length / Page.Size;
                await take(piece[..(int)Math.Min(piece.Length, rest)]);
                rest -= Math.Min(piece.Length, rest);
            }
        }
    }

    public void Dispose()
    {
        _codec.Dispose();
        foreach (var pack in _packs.Values)
        {
            pack.Dispose();
        }
    }

    // As many pages of the run from one on as its frame has.
    async Task<ReadOnlyMemory<byte>> ReadAsync(PageRun run, int done, CancellationToken cancellationToken)
    {
        var pack = await PackOfAsync(run.Pack, cancellationToken);
        var position = pack.Index.PositionOf(run.Ordinal + done);
        if (position < 0)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"page {run.Ordinal + done} of pack {manifest.Packs[run.Pack]} is not there", "barman verify-backup shows what else is hurt");
        }
        var number = pack.Index.FrameAt(position);
        var frame = pack.Index.Frames[number];
        var pages = await FrameOfAsync(run.Pack, pack, number, cancellationToken);
        var first = position - frame.FirstPosition;
        var count = 1;
        while (count < run.Count - done && first + count < frame.Pages && pack.Index.PositionOf(run.Ordinal + done + count) == position + count)
        {
            count++;
        }
        var piece = pages.AsMemory(first * Page.Size, count * Page.Size);
        for (var i = 0; i < count; i++)
        {
            if (FrameCodec.HashOf(piece.Span.Slice(i * Page.Size, Page.Size)) != pack.Index.HashAt(position + i))
            {
                throw new BarkeepException(ErrorKind.Damaged, $"page {run.Ordinal + done + i} of pack {manifest.Packs[run.Pack]} does not match its hash", "barman verify-backup shows what else is hurt");
            }
        }
        return piece;
    }

    async ValueTask<PackReader> PackOfAsync(int number, CancellationToken cancellationToken)
    {
        if (_packs.TryGetValue(number, out var pack))
        {
            return pack;
        }
        if (_packs.Count == HeldPacks)
        {
            _packs.Remove(_packOrder.Dequeue(), out var oldest);
            oldest!.Dispose();
        }
        pack = await lineage.Packs.OpenAsync(manifest.Packs[number], cancellationToken);
        _packs.Add(number, pack);
        _packOrder.Enqueue(number);
        return pack;
    }

    async ValueTask<byte[]> FrameOfAsync(int packNumber, PackReader pack, int number, CancellationToken cancellationToken)
    {
        if (_frames.TryGetValue((packNumber, number), out var pages))
        {
            return pages;
        }
        var buffer = new byte[FrameCodec.MaxRawLength];
        if (_frames.Count == HeldFrames)
        {
            _frames.Remove(_frameOrder.Dequeue(), out var oldest);
            buffer = oldest!;
        }
        _ = await pack.ReadFrameAsync(number, _codec, _stored, buffer, cancellationToken);
        _frames.Add((packNumber, number), buffer);
        _frameOrder.Enqueue((packNumber, number));
        return buffer;
    }
}
