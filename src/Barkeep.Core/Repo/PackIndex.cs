using System.Buffers.Binary;
using Barkeep.Common;

namespace Barkeep.Repo;

/// <summary>What is in a pack: its frames and the hash of each page (docs/format.md, "Packs").</summary>
public sealed class PackIndex
{
    internal const int HeaderLength = 24;
    internal const int FooterLength = 40;
    internal const int FrameLength = 24;
    internal const int HashLength = 16;
    internal const int MaxPages = 1 << 18;
    internal const ushort Version = 1;

    readonly byte[] _hashes;

    PackIndex(Frame[] frames, byte[] hashes)
    {
        Frames = frames;
        _hashes = hashes;
    }

    /// <summary>One frame of a pack.</summary>
    /// <param name="Offset">Where its stored bytes begin in the object.</param>
    /// <param name="FirstPage">Ordinal of its first page.</param>
    public readonly record struct Frame(long Offset, int StoredLength, int FirstPage, int Pages, FrameEncoding Encoding, UInt128 Hash);

    public IReadOnlyList<Frame> Frames { get; }

    public int PageCount => _hashes.Length / HashLength;

    /// <summary>The hash of a page's 8192 bytes.</summary>
    public UInt128 HashOf(int ordinal) => BinaryPrimitives.ReadUInt128BigEndian(_hashes.AsSpan(ordinal * HashLength));

    /// <summary>The number of the frame that holds a page.</summary>
    public int FrameOf(int ordinal)
    {
        var (low, high) = (0, Frames.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = Frames[middle].FirstPage <= ordinal ? (middle, high) : (low, middle - 1);
        }
        return low;
    }

    /// <summary>Reads the index's bytes, whose hash the caller has checked.</summary>
    /// <exception cref="BarkeepException">Damaged when numbers contradict each other.</exception>
    internal static PackIndex Parse(string name, ReadOnlySpan<byte> bytes, int frameCount, int pageCount, long end)
    {
        var frames = new Frame[frameCount];
        long offset = HeaderLength;
        var page = 0;
        for (var i = 0; i < frameCount; i++)
        {
            var at = bytes.Slice(i * FrameLength, FrameLength);
            var stored = BinaryPrimitives.ReadInt32LittleEndian(at);
            var pages = BinaryPrimitives.ReadUInt16LittleEndian(at[4..]);
            if (stored is < 1 or > FrameCodec.MaxRawLength || pages is < 1 or > Page.PerFrame)
            {
                throw Record.Damaged(name, $"frame {i} makes no sense");
            }
            frames[i] = new(offset, stored, page, pages, (FrameEncoding)at[6], BinaryPrimitives.ReadUInt128BigEndian(at[8..]));
            offset += stored;
            page += pages;
        }
        return page == pageCount && offset == end
            ? new(frames, bytes[(frameCount * FrameLength)..].ToArray())
            : throw Record.Damaged(name, "its index does not match its frames");
    }
}
