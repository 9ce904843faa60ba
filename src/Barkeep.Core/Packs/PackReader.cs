using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

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
    /// <returns>Null when there is no such object.</returns>
    /// <exception cref="BarkeepException">Damaged, NewerRepository.</exception>
    internal static async ValueTask<PackReader?> TryOpenAsync(DirectoryStore store, string root, string name, CancellationToken cancellationToken)
    {
        var reader = await store.TryOpenAsync(root + name, cancellationToken);
        if (reader is null)
        {
            return null;
        }
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

    /// <summary>How many pages a pack claims to hold, without reading its index; null when there is no such object.</summary>
    /// <exception cref="BarkeepException">Damaged, NewerRepository.</exception>
    internal static async ValueTask<int?> TryCountPagesAsync(DirectoryStore store, string root, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.TryOpenAsync(root + name, cancellationToken);
        return reader is null ? null : (await ReadFooterAsync(reader, cancellationToken)).Pages;
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
        var footer = await ReadFooterAsync(reader, cancellationToken);
        var index = new byte[footer.IndexEnd - footer.IndexOffset];
        await reader.ReadAsync(footer.IndexOffset, index, cancellationToken);
        var hash = new XxHash128(unchecked((long)seed));
        hash.Append(footer.Header);
        hash.Append(index);
        if (!hash.GetCurrentHash().AsSpan().SequenceEqual(footer.Hash))
        {
            throw Record.Damaged(reader.Name, "the hash of its index does not match");
        }
        return PackIndex.Parse(reader.Name, footer.Version, index, footer.Frames, footer.Pages, footer.IndexOffset);
    }

    static async ValueTask<Footer> ReadFooterAsync(ObjectReader reader, CancellationToken cancellationToken)
    {
        if (reader.Length < PackIndex.HeaderLength + PackIndex.FooterLength)
        {
            throw Record.Damaged(reader.Name, "it is cut short");
        }
        var header = new byte[PackIndex.HeaderLength];
        var bytes = new byte[PackIndex.FooterLength];
        var end = reader.Length - bytes.Length;
        await reader.ReadAsync(0, header, cancellationToken);
        await reader.ReadAsync(end, bytes, cancellationToken);
        var version = CheckVersion(reader.Name, header, bytes);
        var footer = new Footer(
            version, header, BinaryPrimitives.ReadInt64LittleEndian(bytes), end, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(8)),
            BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(12)), bytes[16..(16 + PackIndex.HashLength)]);
        return footer.IsPlausible ? footer : throw Record.Damaged(reader.Name, "its footer makes no sense");
    }

    static ushort CheckVersion(string name, ReadOnlySpan<byte> header, ReadOnlySpan<byte> footer)
    {
        if (!header.StartsWith("BKPACK"u8) || !footer[32..].StartsWith("BKPEND"u8))
        {
            throw Record.Damaged(name, "it is no pack");
        }
        var version = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        if (version > PackIndex.SparseVersion)
        {
            throw new BarkeepException(ErrorKind.NewerRepository, $"pack {name} has version {version}, and this program reads up to {PackIndex.SparseVersion}", "use the newer barkeep that wrote it");
        }
        var pageSize = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version == 0 || version != BinaryPrimitives.ReadUInt16LittleEndian(footer[38..]) || pageSize != Page.Size)
        {
            throw Record.Damaged(name, $"it claims version {version} and pages of {pageSize} bytes");
        }
        return version;
    }

    /// <param name="IndexEnd">Where the footer begins.</param>
    readonly record struct Footer(ushort Version, byte[] Header, long IndexOffset, long IndexEnd, int Frames, int Pages, byte[] Hash)
    {
        public bool IsPlausible
        {
            get
            {
                // Behind the hashes, a sparse pack has its runs: at most one for each page.
                var runs = IndexEnd - IndexOffset - ((long)Frames * PackIndex.FrameLength) - ((long)Pages * PackIndex.HashLength);
                return Frames >= 0 && Pages is >= 0 and <= PackIndex.MaxPages && Frames <= Pages && IndexOffset >= PackIndex.HeaderLength
                    && (Version == PackIndex.WholeVersion ? runs == 0 : runs % PackIndex.RunLength == 0 && runs >= 0 && runs / PackIndex.RunLength <= Pages);
            }
        }
    }
}
