using System.Buffers;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;
using ZstdSharp;

namespace Barkeep.Repo;

/// <summary>A manifest as an object: record, zstd body, hash (docs/format.md, "Manifests").</summary>
static class ManifestObject
{
    const int Version = 1;
    const string Kind = "manifest";
    const int HashLength = 16;

    /// <summary>Enough for the record of any backup but one with many damaged pages, so that one read suffices.</summary>
    const int ProbeLength = 4 << 10;

    /// <summary>Puts the manifest; the backup exists when it returns true.</summary>
    /// <returns>False when there is one already.</returns>
    public static async Task<bool> PutAsync(DirectoryStore store, string name, Manifest manifest, CancellationToken cancellationToken)
    {
        using var writer = await store.CreateAsync(name, cancellationToken);
        var hash = new XxHash128();
        var head = Record.Seal(Kind, Version, manifest.Info, RepoJson.Default.BackupInfo);
        hash.Append(head);
        await writer.WriteAsync(head, cancellationToken);
        // A directory's write completes at once; a store across a network will stage parts in memory.
        await using (var sink = new SinkStream(bytes =>
        {
            hash.Append(bytes);
            writer.WriteAsync(bytes.ToArray(), cancellationToken).AsTask().GetAwaiter().GetResult();
        }))
        await using (var body = new CompressionStream(sink, FrameCodec.DefaultLevel, leaveOpen: true))
        {
            ManifestBody.Write(body, manifest.Packs, manifest.Entries);
        }
        await writer.WriteAsync(hash.GetCurrentHash(), cancellationToken);
        return await writer.PublishAsync(cancellationToken);
    }

    /// <summary>Reads the properties only; null when there is no such object.</summary>
    /// <exception cref="BarkeepException">Damaged, NewerRepository.</exception>
    public static async Task<BackupInfo?> TryReadInfoAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.TryOpenAsync(name, cancellationToken);
        return reader is null ? null : (await ReadInfoAsync(reader, cancellationToken)).Info;
    }

    /// <summary>Reads and checks the whole manifest.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository.</exception>
    public static async Task<Manifest> ReadAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.OpenAsync(name, cancellationToken);
        var (info, bodyOffset) = await ReadInfoAsync(reader, cancellationToken);
        var bodyEnd = reader.Length - HashLength;
        await CheckHashAsync(reader, bodyEnd, cancellationToken);
        using var range = new ObjectRangeStream(reader, bodyOffset, bodyEnd);
        using var body = new DecompressionStream(range);
        try
        {
            var (packs, entries) = ManifestBody.Read(name, body);
            return new() { Info = info, Packs = packs, Entries = entries };
        }
        catch (Exception e) when (e is ZstdException or EndOfStreamException)
        {
            throw Record.Damaged(name, e.Message);
        }
    }

    static async Task<(BackupInfo Info, int Length)> ReadInfoAsync(ObjectReader reader, CancellationToken cancellationToken)
    {
        // Rented: a listing reads a thousand of them.
        var probe = ArrayPool<byte>.Shared.Rent(ProbeLength);
        try
        {
            var start = probe.AsMemory(0, (int)Math.Min(reader.Length, ProbeLength));
            await reader.ReadAsync(0, start, cancellationToken);
            var length = Record.LengthOf(reader.Name, Kind, Version, start.Span);
            if (length > reader.Length)
            {
                throw Record.Damaged(reader.Name, "it is cut short");
            }
            if (length > start.Length)
            {
                start = new byte[length];
                await reader.ReadAsync(0, start, cancellationToken);
            }
            return (Record.Open(reader.Name, Kind, Version, start.Span[..length], RepoJson.Default.BackupInfo), length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(probe);
        }
    }

    static async Task CheckHashAsync(ObjectReader reader, long end, CancellationToken cancellationToken)
    {
        var hash = new XxHash128();
        var buffer = new byte[1 << 16];
        for (long offset = 0; offset < end;)
        {
            var part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - offset));
            await reader.ReadAsync(offset, part, cancellationToken);
            hash.Append(part.Span);
            offset += part.Length;
        }
        var expected = new byte[HashLength];
        await reader.ReadAsync(Math.Max(0, end), expected, cancellationToken);
        if (!expected.AsSpan().SequenceEqual(hash.GetCurrentHash()))
        {
            throw Record.Damaged(reader.Name, "its hash does not match");
        }
    }
}
