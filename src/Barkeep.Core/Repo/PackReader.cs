using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>Reads one pack: its index at once, frames on demand. Safe for several threads, each with its own codec and buffers.</summary>
public sealed class PackReader : IDisposable
{
    readonly ObjectReader _reader;
    readonly ulong _seed;

    PackReader(ObjectReader reader, ulong seed, PackIndex index)
    {
        _reader = reader;
        _seed = seed;
        Index = index;
    }

    public PackIndex Index { get; }

    /// <summary>Stored bytes of the whole pack.</summary>
    public long StoredLength => _reader.Length;

    /// <param name="name">Within the lineage: <c>packs/20261123T131251/0001</c>.</param>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    internal static async ValueTask<PackReader> OpenAsync(DirectoryStore store, string root, string name, CancellationToken cancellationToken)
    {
        var reader = await store.OpenAsync(root + name, cancellationToken);
        try
        {
            var seed = FrameCodec.SeedOf(name);
            return new(reader, seed, await ReadIndexAsync(reader, seed, cancellationToken));
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Reads, checks and decompresses one frame.</summary>
    /// <param name="stored">Scratch of at least <see cref="FrameCodec.MaxRawLength"/> bytes.</param>
    /// <param name="raw">Takes the frame's pages; at least <see cref="FrameCodec.MaxRawLength"/> bytes.</param>
    /// <returns>The frame's bytes within <paramref name="raw"/>.</returns>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadFrameAsync(int number, FrameCodec codec, Memory<byte> stored, Memory<byte> raw, CancellationToken cancellationToken)
    {
        var frame = Index.Frames[number];
        var bytes = stored[..frame.StoredLength];
        await _reader.ReadAsync(frame.Offset, bytes, cancellationToken);
        var pages = raw[..(frame.Pages * Page.Size)];
        codec.Decode(_reader.Name, bytes.Span, frame.Encoding, frame.Hash, _seed + (ulong)number, pages.Span);
        return pages;
    }

    public void Dispose() => _reader.Dispose();

    static async ValueTask<PackIndex> ReadIndexAsync(ObjectReader reader, ulong seed, CancellationToken cancellationToken)
    {
        if (reader.Length < PackIndex.HeaderLength + PackIndex.FooterLength)
        {
            throw Record.Damaged(reader.Name, "it is cut short");
        }
        var header = new byte[PackIndex.HeaderLength];
        var footer = new byte[PackIndex.FooterLength];
        await reader.ReadAsync(0, header, cancellationToken);
        await reader.ReadAsync(reader.Length - footer.Length, footer, cancellationToken);
        CheckVersion(reader.Name, header, footer);
        var offset = BinaryPrimitives.ReadInt64LittleEndian(footer);
        var frames = BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(8));
        var pages = BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(12));
        var end = reader.Length - footer.Length;
        if (frames < 0 || pages < 0 || pages > PackIndex.MaxPages || frames > pages
            || offset != end - ((long)frames * PackIndex.FrameLength) - ((long)pages * PackIndex.HashLength))
        {
            throw Record.Damaged(reader.Name, "its footer makes no sense");
        }
        var index = new byte[end - offset];
        await reader.ReadAsync(offset, index, cancellationToken);
        var hash = new XxHash128(unchecked((long)seed));
        hash.Append(header);
        hash.Append(index);
        if (!hash.GetCurrentHash().AsSpan().SequenceEqual(footer.AsSpan(16, PackIndex.HashLength)))
        {
            throw Record.Damaged(reader.Name, "the hash of its index does not match");
        }
        return PackIndex.Parse(reader.Name, index, frames, pages, offset);
    }

    static void CheckVersion(string name, ReadOnlySpan<byte> header, ReadOnlySpan<byte> footer)
    {
        if (!header.StartsWith("BKPACK"u8) || !footer[32..].StartsWith("BKPEND"u8))
        {
            throw Record.Damaged(name, "it is no pack");
        }
        var version = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        if (version > PackIndex.Version)
        {
            throw new BarkeepException(ErrorKind.NewerRepository, $"pack {name} has version {version}, and this program reads up to {PackIndex.Version}", "use the newer barkeep that wrote it");
        }
        var pageSize = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version == 0 || version != BinaryPrimitives.ReadUInt16LittleEndian(footer[38..]) || pageSize != Page.Size)
        {
            throw Record.Damaged(name, $"it claims version {version} and pages of {pageSize} bytes");
        }
    }
}
