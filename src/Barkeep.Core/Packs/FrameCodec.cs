using System.IO.Hashing;
using System.Text;
using Barkeep.Common;
using Barkeep.Storage;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Barkeep.Packs;

/// <summary>
/// Compresses and restores frames. One a thread: it holds the zstd contexts and the buffer for stored bytes, so that
/// steady work allocates nothing; each is made when it is first needed, since most backups of a quiet cluster store nothing.
/// </summary>
/// <param name="hashLog">The size of zstd's hash table as a power of two of entries of 4 bytes; null for the level's own.</param>
public class FrameCodec(int level = FrameCodec.DefaultLevel, int? hashLog = null) : IDisposable
{
    /// <summary>Bytes in a full frame before compression.</summary>
    public const int MaxRawLength = 1 << 20;

    /// <summary>Half the CPU time of zstd's own default, 3, for 4 % more bytes (bench/RESULTS.md).</summary>
    public const int DefaultLevel = 2;

    Compressor? _compressor;
    Decompressor? _decompressor;
    byte[]? _stored;

    /// <summary>The stored form of a frame: never longer than the raw one, since what does not shrink is stored as is. Valid until the next call.</summary>
    /// <param name="raw">1 to <see cref="MaxRawLength"/> bytes; must stay as it is while the result is in use.</param>
    public virtual ReadOnlyMemory<byte> Encode(ReadOnlyMemory<byte> raw, out FrameEncoding encoding)
    {
        _compressor ??= NewCompressor();
        _stored ??= GC.AllocateUninitializedArray<byte>(Compressor.GetCompressBound(MaxRawLength));
        var length = _compressor.Wrap(raw.Span, _stored);
        if (length >= raw.Length)
        {
            encoding = FrameEncoding.AsIs;
            return raw;
        }
        encoding = FrameEncoding.Zstd;
        return _stored.AsMemory(0, length);
    }

    /// <summary>Checks a frame's stored bytes against their hash and restores the raw bytes.</summary>
    /// <param name="where">Object and frame, for the message.</param>
    /// <param name="raw">Takes exactly the frame's raw length.</param>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public void Decode(string where, ReadOnlySpan<byte> stored, FrameEncoding encoding, UInt128 hash, ulong seed, Span<byte> raw)
    {
        if (HashOf(stored, seed) != hash)
        {
            throw Record.Damaged(where, "a frame's hash does not match");
        }
        switch (encoding)
        {
            case FrameEncoding.AsIs when stored.Length == raw.Length:
                stored.CopyTo(raw);
                break;
            case FrameEncoding.Zstd:
                Unwrap(where, stored, raw);
                break;
            default:
                throw Record.Damaged(where, $"a frame's encoding {(int)encoding} is not known");
        }
    }

    /// <summary>The hash under which stored bytes are kept.</summary>
    public static UInt128 HashOf(ReadOnlySpan<byte> bytes, ulong seed = 0) => XxHash128.HashToUInt128(bytes, unchecked((long)seed));

    /// <summary>The number that ties an object's frames to its name.</summary>
    public static ulong SeedOf(string objectName) => XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(objectName));

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        _compressor?.Dispose();
        _decompressor?.Dispose();
    }

    Compressor NewCompressor()
    {
        var compressor = new Compressor(level);
        if (hashLog is { } log)
        {
            compressor.SetParameter(ZSTD_cParameter.ZSTD_c_hashLog, log);
        }
        return compressor;
    }

    void Unwrap(string where, ReadOnlySpan<byte> stored, Span<byte> raw)
    {
        try
        {
            _decompressor ??= new();
            if (_decompressor.Unwrap(stored, raw) != raw.Length)
            {
                throw Record.Damaged(where, "a frame has another length than its index says");
            }
        }
        catch (ZstdException e)
        {
            throw Record.Damaged(where, $"a frame cannot be decompressed: {e.Message}");
        }
    }
}
