using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>
/// A WAL file as an object: record, compressed frames, hash of the whole (docs/format.md, "WAL objects").
/// Names are relative to the lineage, whose <c>root</c> precedes them in the store.
/// </summary>
static class WalObject
{
    const int Version = 1;
    const string Kind = "wal";
    const int FrameHeadLength = 32;
    const int HashLength = 16;

    /// <summary>WAL is written once and mostly never read: speed counts more than the last percent.</summary>
    const int CompressionLevel = 1;

    /// <summary>A table of 16 KiB instead of 64 stays in the processor's first cache: a sixth less time on WAL, and as small.</summary>
    const int CompressionHashLog = 12;

    /// <summary>Stores <paramref name="length"/> bytes of <paramref name="content"/>, in the place of an object that cannot be read any more; durable when it returns.</summary>
    /// <returns>False when the same bytes are there already.</returns>
    /// <exception cref="BarkeepException">WalDiverged when other bytes are there.</exception>
    public static async Task<bool> PutAsync(DirectoryStore store, string root, string name, Stream content, int length, CancellationToken cancellationToken)
    {
        using var writer = await store.CreateAsync(root + name, cancellationToken);
        var hash = await WriteAsync(writer, name, content, length, cancellationToken);
        if (await writer.PublishAsync(cancellationToken))
        {
            return true;
        }
        try
        {
            // The caller is about to drop its copy: the stored one must be sound to its last frame.
            await CopyAsync(store, root, name, int.MaxValue, long.MaxValue, Stream.Null, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            await writer.SupersedeAsync(cancellationToken);
            return true;
        }
        return await HasSameBytesAsync(store, root, name, length, hash, cancellationToken)
            ? false
            : throw new BarkeepException(ErrorKind.WalDiverged, $"{name} is in the repository already, with other bytes", "two clusters write WAL of the same name: find out which one is yours");
    }

    /// <summary>As <see cref="PutAsync"/>, in the place of the object that is there: that stays until this one is durable.</summary>
    public static async Task ReplaceAsync(DirectoryStore store, string root, string name, Stream content, int length, CancellationToken cancellationToken)
    {
        using var writer = await store.CreateAsync(root + name, cancellationToken);
        await WriteAsync(writer, name, content, length, cancellationToken);
        await writer.SupersedeAsync(cancellationToken);
    }

    // Returns the hash of the content.
    static async Task<byte[]> WriteAsync(ObjectWriter writer, string name, Stream content, int length, CancellationToken cancellationToken)
    {
        using var codec = new FrameCodec(CompressionLevel, CompressionHashLog);
        await writer.WriteAsync(Record.Seal(Kind, Version, new(name, length), RepoJson.Default.WalPayload), cancellationToken);
        var seed = FrameCodec.SeedOf(name);
        var whole = new XxHash128();
        var raw = new byte[Math.Min(FrameCodec.MaxRawLength, Math.Max(length, 1))];
        var head = new byte[FrameHeadLength];
        for (var done = 0; done < length;)
        {
            var part = raw.AsMemory(0, Math.Min(raw.Length, length - done));
            await content.ReadExactlyAsync(part, cancellationToken);
            whole.Append(part.Span);
            var stored = codec.Encode(part, out var encoding);
            WriteFrameHead(head, stored.Span, part.Length, encoding, seed++);
            await writer.WriteAsync(head, cancellationToken);
            await writer.WriteAsync(stored, cancellationToken);
            done += part.Length;
        }
        var hash = whole.GetCurrentHash();
        await writer.WriteAsync(hash, cancellationToken);
        return hash;
    }

    /// <summary>Writes the stored file's raw bytes, each frame checked first, the whole at the end unless that is not read.</summary>
    /// <param name="limit">More raw bytes than this are a sign of damage.</param>
    /// <param name="needed">Frames that begin after so many raw bytes are not read.</param>
    /// <returns>The number of raw bytes in all.</returns>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    public static async Task<long> CopyAsync(
        DirectoryStore store, string root, string name, int limit, long needed, Stream destination, CancellationToken cancellationToken)
    {
        using var reader = await store.OpenAsync(root + name, cancellationToken);
        var (length, offset) = await ReadHeadAsync(reader, name, limit, cancellationToken);
        using var codec = new FrameCodec();
        var seed = FrameCodec.SeedOf(name);
        var whole = new XxHash128();
        var head = new byte[FrameHeadLength];
        var stored = new byte[FrameCodec.MaxRawLength];
        var raw = new byte[FrameCodec.MaxRawLength];
        for (long done = 0; done < length;)
        {
            await reader.ReadAsync(offset, head, cancellationToken);
            var frame = ReadFrameHead(name, head, length - done);
            await reader.ReadAsync(offset + FrameHeadLength, stored.AsMemory(0, frame.StoredLength), cancellationToken);
            var part = raw.AsMemory(0, frame.RawLength);
            codec.Decode(name, stored.AsSpan(0, frame.StoredLength), frame.Encoding, frame.Hash, seed++, part.Span);
            whole.Append(part.Span);
            await destination.WriteAsync(part, cancellationToken);
            offset += FrameHeadLength + frame.StoredLength;
            done += frame.RawLength;
            if (done >= needed && done < length)
            {
                return length;
            }
        }
        var hash = new byte[HashLength];
        await reader.ReadAsync(offset, hash, cancellationToken);
        if (offset + HashLength != reader.Length || !hash.AsSpan().SequenceEqual(whole.GetCurrentHash()))
        {
            throw Record.Damaged(reader.Name, "the hash of its content does not match");
        }
        return length;
    }

    /// <summary>How many bytes an object says that it holds; null when there is none, or it cannot be read.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Storage.</exception>
    public static async Task<long?> TryReadLengthAsync(DirectoryStore store, string root, string name, int limit, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = await store.TryOpenAsync(root + name, cancellationToken);
            return reader is null ? null : (await ReadHeadAsync(reader, name, limit, cancellationToken)).Length;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return null;
        }
    }

    static async Task<bool> HasSameBytesAsync(DirectoryStore store, string root, string name, int length, byte[] hash, CancellationToken cancellationToken)
    {
        using var reader = await store.OpenAsync(root + name, cancellationToken);
        var (storedLength, _) = await ReadHeadAsync(reader, name, int.MaxValue, cancellationToken);
        var storedHash = new byte[HashLength];
        await reader.ReadAsync(Math.Max(0, reader.Length - HashLength), storedHash, cancellationToken);
        return storedLength == length && storedHash.AsSpan().SequenceEqual(hash);
    }

    static async Task<(long Length, long FirstFrame)> ReadHeadAsync(ObjectReader reader, string name, int limit, CancellationToken cancellationToken)
    {
        var start = new byte[Math.Min(reader.Length, 4096)];
        await reader.ReadAsync(0, start, cancellationToken);
        var payload = Record.Open(reader.Name, Kind, Version, start, RepoJson.Default.WalPayload, out var offset);
        if (payload.Name != name)
        {
            throw Record.Damaged(reader.Name, $"it holds {payload.Name}");
        }
        return payload.Length >= 0 && payload.Length <= limit
            ? (payload.Length, offset)
            : throw Record.Damaged(reader.Name, $"it claims {payload.Length} bytes");
    }

    static void WriteFrameHead(Span<byte> head, ReadOnlySpan<byte> stored, int rawLength, FrameEncoding encoding, ulong seed)
    {
        head.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(head, stored.Length);
        BinaryPrimitives.WriteInt32LittleEndian(head[4..], rawLength);
        head[8] = (byte)encoding;
        BinaryPrimitives.WriteUInt128BigEndian(head[16..], FrameCodec.HashOf(stored, seed));
    }

    static (int StoredLength, int RawLength, FrameEncoding Encoding, UInt128 Hash) ReadFrameHead(string name, ReadOnlySpan<byte> head, long remaining)
    {
        var stored = BinaryPrimitives.ReadInt32LittleEndian(head);
        var raw = BinaryPrimitives.ReadInt32LittleEndian(head[4..]);
        return stored is > 0 and <= FrameCodec.MaxRawLength && raw is > 0 and <= FrameCodec.MaxRawLength && raw <= remaining
            && !head[9..16].ContainsAnyExcept((byte)0)
            ? (stored, raw, (FrameEncoding)head[8], BinaryPrimitives.ReadUInt128BigEndian(head[16..]))
            : throw Record.Damaged(name, "a frame's head makes no sense");
    }
}
