using Barkeep.Common;

namespace Barkeep.Packs;

/// <summary>
/// Compresses frames, and makes sure before they are stored that what was compressed can be had back: a fault in the codec or in
/// memory would otherwise show years later, at a restore. Decoding everything would cost a quarter of what compressing costs
/// (docs/architecture.md), so of many frames a sample is decoded. One a thread.
/// </summary>
/// <param name="sample">After the first ones, one in so many frames is decoded.</param>
sealed class FrameEncoder(FrameCodec codec, int sample = FrameEncoder.UsualSample) : IDisposable
{
    /// <summary>So many frames are all decoded: those of most incremental backups.</summary>
    const int Always = 16;

    const int UsualSample = 8;

    byte[]? _decoded;
    int _frames;

    /// <summary>The stored form of a frame; valid until the next call.</summary>
    /// <param name="raw">Must stay as it is while the result is in use.</param>
    /// <param name="hashes">Of its pages, taken when they came.</param>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public ReadOnlyMemory<byte> Encode(ReadOnlyMemory<byte> raw, ReadOnlySpan<UInt128> hashes, out FrameEncoding encoding)
    {
        var stored = codec.Encode(raw, out encoding);
        if (_frames < Always || _frames % sample == 0)
        {
            Check(stored.Span, encoding, hashes);
        }
        _frames++;
        return stored;
    }

    public void Dispose() => codec.Dispose();

    void Check(ReadOnlySpan<byte> stored, FrameEncoding encoding, ReadOnlySpan<UInt128> hashes)
    {
        _decoded ??= GC.AllocateUninitializedArray<byte>(FrameCodec.MaxRawLength);
        var pages = _decoded.AsSpan(0, hashes.Length * Page.Size);
        try
        {
            codec.Decode("the frame just compressed", stored, encoding, FrameCodec.HashOf(stored), 0, pages);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            throw Faulty(e);
        }
        for (var i = 0; i < hashes.Length; i++)
        {
            if (FrameCodec.HashOf(pages.Slice(i * Page.Size, Page.Size)) != hashes[i])
            {
                throw Faulty(null);
            }
        }
    }

    static BarkeepException Faulty(Exception? inner) => new(
        ErrorKind.Damaged, "compressing pages gave bytes from which they cannot be had back: they are not kept", "have this machine's memory tested", inner);
}
