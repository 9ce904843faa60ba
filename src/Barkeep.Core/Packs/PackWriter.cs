using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>Writes one pack, frame by frame. Not for several threads at once.</summary>
sealed class PackWriter : IDisposable
{
    const long FullAt = 128L << 20;

    readonly ObjectWriter _writer;
    readonly ulong _seed;
    readonly byte[] _header = new byte[PackIndex.HeaderLength];
    readonly MemoryStream _frames = new();
    readonly MemoryStream _hashes = new();
    readonly MemoryStream _runs = new();
    readonly ushort _version;
    int _frameCount;
    int _firstOrdinal;
    int _nextOrdinal;

    PackWriter(ObjectWriter writer, ulong seed, ushort version)
    {
        _writer = writer;
        _seed = seed;
        _version = version;
    }

    /// <summary>Pages so far: the next frame's first ordinal.</summary>
    public int PageCount { get; private set; }

    public long StoredLength => _writer.Length;

    public bool IsFull => _writer.Length >= FullAt || PageCount + Page.PerFrame > PackIndex.MaxPages;

    /// <param name="name">Within the lineage: <c>packs/20261123T131251/0001</c>.</param>
    /// <param name="version">Whether pages get ordinals as they come or keep those that they had.</param>
    public static async ValueTask<PackWriter> CreateAsync(DirectoryStore store, string root, string name, ushort version, CancellationToken cancellationToken)
    {
        var pack = new PackWriter(await store.CreateAsync(root + name, cancellationToken), FrameCodec.SeedOf(name), version);
        "BKPACK"u8.CopyTo(pack._header);
        BinaryPrimitives.WriteUInt16LittleEndian(pack._header.AsSpan(6), version);
        BinaryPrimitives.WriteUInt32LittleEndian(pack._header.AsSpan(8), Page.Size);
        BinaryPrimitives.WriteUInt64LittleEndian(pack._header.AsSpan(16), pack._seed);
        await pack._writer.WriteAsync(pack._header, cancellationToken);
        return pack;
    }

    /// <summary>Appends a frame.</summary>
    /// <param name="stored">As <see cref="FrameCodec.Encode"/> made it.</param>
    /// <param name="pages">The hash of each page in it, 1 to <see cref="Page.PerFrame"/>.</param>
    /// <returns>The first page's ordinal.</returns>
    public async ValueTask<int> AppendAsync(ReadOnlyMemory<byte> stored, FrameEncoding encoding, ReadOnlyMemory<UInt128> pages, CancellationToken cancellationToken)
    {
        await _writer.WriteAsync(stored, cancellationToken);
        AppendToIndex(stored.Span, encoding, pages.Span);
        var first = PageCount;
        PageCount += pages.Length;
        _frameCount++;
        return first;
    }

    /// <summary>Appends a frame to a sparse pack.</summary>
    /// <param name="ordinals">Of each page in it, ascending, and higher than all before.</param>
    public async ValueTask AppendAsync(
        ReadOnlyMemory<byte> stored, FrameEncoding encoding, ReadOnlyMemory<UInt128> pages, ReadOnlyMemory<int> ordinals, CancellationToken cancellationToken)
    {
        await AppendAsync(stored, encoding, pages, cancellationToken);
        foreach (var ordinal in ordinals.Span)
        {
            if (ordinal != _nextOrdinal)
            {
                EndRun();
                _firstOrdinal = ordinal;
            }
            _nextOrdinal = ordinal + 1;
        }
    }

    /// <summary>Writes index and footer. The pack is durable when it returns.</summary>
    /// <exception cref="BarkeepException">Busy when a pack of that name exists; DiskFull; Storage.</exception>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        var indexOffset = _writer.Length;
        var hash = new XxHash128(unchecked((long)_seed));
        hash.Append(_header);
        if (_version == PackIndex.SparseVersion)
        {
            EndRun();
        }
        foreach (var part in (MemoryStream[])[_frames, _hashes, _runs])
        {
            var bytes = part.GetBuffer().AsMemory(0, (int)part.Length);
            hash.Append(bytes.Span);
            await _writer.WriteAsync(bytes, cancellationToken);
        }
        var footer = new byte[PackIndex.FooterLength];
        BinaryPrimitives.WriteInt64LittleEndian(footer, indexOffset);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(8), _frameCount);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(12), PageCount);
        hash.GetCurrentHash(footer.AsSpan(16));
        "BKPEND"u8.CopyTo(footer.AsSpan(32));
        BinaryPrimitives.WriteUInt16LittleEndian(footer.AsSpan(38), _version);
        await _writer.WriteAsync(footer, cancellationToken);
        if (!await _writer.PublishAsync(cancellationToken))
        {
            throw new BarkeepException(ErrorKind.Busy, $"pack {_writer.Name} exists already", "another backup writes under the same id: wait for it to end");
        }
    }

    public void Dispose()
    {
        _writer.Dispose();
        _frames.Dispose();
        _hashes.Dispose();
        _runs.Dispose();
    }

    void EndRun()
    {
        if (_nextOrdinal > _firstOrdinal)
        {
            Span<byte> run = stackalloc byte[PackIndex.RunLength];
            BinaryPrimitives.WriteInt32LittleEndian(run, _firstOrdinal);
            BinaryPrimitives.WriteInt32LittleEndian(run[4..], _nextOrdinal - _firstOrdinal);
            _runs.Write(run);
        }
    }

    void AppendToIndex(ReadOnlySpan<byte> stored, FrameEncoding encoding, ReadOnlySpan<UInt128> pages)
    {
        Span<byte> frame = stackalloc byte[PackIndex.FrameLength];
        frame.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(frame, stored.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(frame[4..], (ushort)pages.Length);
        frame[6] = (byte)encoding;
        BinaryPrimitives.WriteUInt128BigEndian(frame[8..], FrameCodec.HashOf(stored, _seed + (ulong)_frameCount));
        _frames.Write(frame);
        Span<byte> hash = stackalloc byte[PackIndex.HashLength];
        foreach (var page in pages)
        {
            BinaryPrimitives.WriteUInt128BigEndian(hash, page);
            _hashes.Write(hash);
        }
    }
}
