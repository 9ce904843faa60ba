using System.Buffers.Binary;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>
/// What is in a pack: its frames, which ordinals it holds and the hash of each page (docs/format.md, "Packs"). In a pack's first
/// generation a page's position, its number among the pages that are there, is its ordinal; in later ones it is not.
/// </summary>
public sealed class PackIndex
{
    internal const int HeaderLength = 24;
    internal const int FooterLength = 40;
    internal const int FrameLength = 24;
    internal const int HashLength = 16;
    internal const int RunLength = 8;
    internal const int MaxPages = 1 << 18;

    /// <summary>A pack with all of its pages.</summary>
    internal const ushort WholeVersion = 1;

    /// <summary>A pack's later generation, with runs of ordinals.</summary>
    internal const ushort SparseVersion = 2;

    readonly byte[] _hashes;
    readonly OrdinalRun[] _runs;

    PackIndex(Frame[] frames, byte[] hashes, OrdinalRun[] runs)
    {
        Frames = frames;
        _hashes = hashes;
        _runs = runs;
    }

    /// <summary>One frame of a pack.</summary>
    /// <param name="Offset">Where its stored bytes begin in the object.</param>
    /// <param name="FirstPosition">Position of its first page.</param>
    public readonly record struct Frame(long Offset, int StoredLength, int FirstPosition, int Pages, FrameEncoding Encoding, UInt128 Hash);

    readonly record struct OrdinalRun(int First, int Count, int Position);

    public IReadOnlyList<Frame> Frames { get; }

    /// <summary>How many pages are there; ordinals may be higher.</summary>
    public int PageCount => _hashes.Length / HashLength;

    /// <summary>Whether the pages from an ordinal on are all there. They then have positions that follow one another.</summary>
    public bool Holds(int ordinal, int count)
    {
        var run = RunOf(ordinal);
        return run >= 0 && (long)ordinal + count <= (long)_runs[run].First + _runs[run].Count;
    }

    /// <summary>Where among the pages that are there a page is; -1 when it is not.</summary>
    public int PositionOf(int ordinal)
    {
        var run = RunOf(ordinal);
        return run < 0 ? -1 : _runs[run].Position + ordinal - _runs[run].First;
    }

    /// <summary>The ordinal of the page at a position.</summary>
    public int OrdinalAt(int position)
    {
        var (low, high) = (0, _runs.Length - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = _runs[middle].Position <= position ? (middle, high) : (low, middle - 1);
        }
        return _runs[low].First + position - _runs[low].Position;
    }

    /// <summary>The hash of the 8192 bytes of the page at a position.</summary>
    public UInt128 HashAt(int position) => BinaryPrimitives.ReadUInt128BigEndian(_hashes.AsSpan(position * HashLength));

    /// <summary>The hash of a page's 8192 bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The page is not there.</exception>
    public UInt128 HashOf(int ordinal)
    {
        var position = PositionOf(ordinal);
        ArgumentOutOfRangeException.ThrowIfNegative(position, nameof(ordinal));
        return HashAt(position);
    }

    /// <summary>The number of the frame that holds the page at a position.</summary>
    public int FrameAt(int position)
    {
        var (low, high) = (0, Frames.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = Frames[middle].FirstPosition <= position ? (middle, high) : (low, middle - 1);
        }
        return low;
    }

    /// <summary>Reads the index's bytes, whose hash the caller has checked.</summary>
    /// <exception cref="BarkeepException">Damaged when numbers contradict each other.</exception>
    internal static PackIndex Parse(string name, ushort version, ReadOnlySpan<byte> bytes, int frameCount, int pageCount, long end)
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
        if (page != pageCount || offset != end)
        {
            throw Record.Damaged(name, "its index does not match its frames");
        }
        var hashes = bytes.Slice(frameCount * FrameLength, pageCount * HashLength);
        var runs = version == WholeVersion ? [new(0, pageCount, 0)] : ParseRuns(name, bytes[((frameCount * FrameLength) + hashes.Length)..], pageCount);
        return new(frames, hashes.ToArray(), runs);
    }

    static OrdinalRun[] ParseRuns(string name, ReadOnlySpan<byte> bytes, int pageCount)
    {
        var runs = new OrdinalRun[bytes.Length / RunLength];
        var (position, next) = (0, 0L);
        for (var i = 0; i < runs.Length; i++)
        {
            var first = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(i * RunLength)..]);
            var count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[((i * RunLength) + 4)..]);
            if (first < next || count < 1 || (long)first + count > MaxPages || count > pageCount - position)
            {
                throw Record.Damaged(name, "its ordinals make no sense");
            }
            runs[i] = new((int)first, (int)count, position);
            position += (int)count;
            next = first + count;
        }
        return position == pageCount ? runs : throw Record.Damaged(name, "its ordinals do not match its pages");
    }

    // The run that holds an ordinal; -1 when none does.
    int RunOf(int ordinal)
    {
        var (low, high) = (0, _runs.Length - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            (low, high) = _runs[middle].First <= ordinal ? (middle, high) : (low, middle - 1);
        }
        return high >= 0 && ordinal >= _runs[low].First && ordinal < _runs[low].First + _runs[low].Count ? low : -1;
    }
}
