using System.IO.Hashing;
using System.Text.Json.Serialization.Metadata;
using Barkeep.Common;
using Barkeep.Wal;
using ZstdSharp;

namespace Barkeep.Storage;

/// <summary>An object of a record, a zstd stream, and the hash of both (docs/format.md): how the derived ones are written and all of them are read.</summary>
static class SealedBody
{
    public const int HashLength = 16;
    const int CompressionLevel = 1;

    /// <summary>Enough for most records, so that one read suffices.</summary>
    const int ProbeLength = 4 << 10;

    /// <summary>Puts a small object; durable when it returns. One that is there already stays.</summary>
    public static async Task PutAsync(DirectoryStore store, string name, byte[] record, Action<Stream> writeBody, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        Write(bytes, record, CompressionLevel, writeBody);
        await store.PutAsync(name, bytes.GetBuffer().AsMemory(0, (int)bytes.Length), cancellationToken);
    }

    /// <summary>Writes the record, the body as it comes, and the hash of both.</summary>
    /// <param name="level">Of zstd.</param>
    public static void Write(Stream into, byte[] record, int level, Action<Stream> writeBody)
    {
        var hash = new XxHash128();
        using var all = new SinkStream(bytes =>
        {
            hash.Append(bytes);
            into.Write(bytes);
        });
        all.Write(record);
        using (var body = new CompressionStream(all, level, leaveOpen: true))
        {
            writeBody(body);
        }
        into.Write(hash.GetCurrentHash());
    }

    /// <summary>Checks the hash of a whole object and hands its body, decompressed, to the reader.</summary>
    /// <param name="offset">Where the record ends.</param>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public static void Read(string name, byte[] bytes, int offset, Action<Stream> readBody)
    {
        var end = bytes.Length - HashLength;
        if (end < offset || !XxHash128.Hash(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end)))
        {
            throw Record.Damaged(name, "its hash does not match");
        }
        ReadBody(name, new MemoryStream(bytes, offset, end - offset), readBody);
    }

    /// <summary>Reads an object that can be made again from its segment: one that is damaged, or of a newer version, counts as missing.</summary>
    public static async Task<T?> UnlessUnreadableAsync<T>(Func<Task<T?>> read)
    {
        try
        {
            return await read();
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return default;
        }
    }

    /// <summary>Whether the record of what was made from a segment is that of the object in which it was found.</summary>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public static void CheckOrigin(string name, SegmentSize size, string recordedName, int recordedSize)
    {
        if (recordedName != name || recordedSize != size.Bytes)
        {
            throw Record.Damaged(name, $"it holds {recordedName}, in segments of {recordedSize} bytes");
        }
    }

    /// <summary>Hands a body whose hash has been checked, decompressed, to the reader.</summary>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public static void ReadBody(string name, Stream stored, Action<Stream> readBody)
    {
        try
        {
            using var body = new DecompressionStream(stored);
            readBody(body);
        }
        catch (Exception e) when (e is ZstdException or EndOfStreamException)
        {
            throw Record.Damaged(name, e.Message);
        }
    }

    /// <summary>Reads the record alone, and how long it is. Its own hash is checked, the object's is not.</summary>
    /// <exception cref="BarkeepException">Damaged, NewerRepository.</exception>
    public static async Task<(T Payload, int Length)> ReadRecordAsync<T>(
        ObjectReader reader, string kind, int version, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        // Rented: a listing reads a thousand of them.
        var probe = System.Buffers.ArrayPool<byte>.Shared.Rent(ProbeLength);
        try
        {
            var start = probe.AsMemory(0, (int)Math.Min(reader.Length, ProbeLength));
            await reader.ReadAsync(0, start, cancellationToken);
            var length = Record.LengthOf(reader.Name, kind, version, start.Span);
            if (length > reader.Length)
            {
                throw Record.Damaged(reader.Name, "it is cut short");
            }
            if (length > start.Length)
            {
                start = new byte[length];
                await reader.ReadAsync(0, start, cancellationToken);
            }
            return (Record.Open(reader.Name, kind, version, start.Span[..length], type), length);
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(probe);
        }
    }
}
