using System.Buffers.Binary;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>A manifest as an object: record, zstd body, hash (docs/format.md, "Manifests").</summary>
static class ManifestObject
{
    const int Version = 1;
    const string Kind = "manifest";
    const int HashLength = SealedBody.HashLength;

    /// <summary>Puts the manifest; the backup exists when it returns true.</summary>
    /// <returns>False when there is one already.</returns>
    public static async Task<bool> PutAsync(DirectoryStore store, string name, Manifest manifest, CancellationToken cancellationToken)
    {
        using var writer = await store.CreateAsync(name, cancellationToken);
        var head = Record.Seal(Kind, Version, manifest.Info, RepoJson.Default.BackupInfo);
        // A directory's write completes at once; a store across a network will stage parts in memory.
        await using (var sink = new SinkStream(bytes => writer.WriteAsync(bytes.ToArray(), cancellationToken).AsTask().GetAwaiter().GetResult()))
        {
            SealedBody.Write(sink, head, FrameCodec.DefaultLevel, body => ManifestBody.Write(body, manifest.Packs, manifest.Entries));
        }
        return await writer.PublishAsync(cancellationToken);
    }

    /// <summary>Reads the properties only; null when there is no such object.</summary>
    /// <exception cref="BarkeepException">Damaged, NewerRepository.</exception>
    public static async Task<BackupInfo?> TryReadInfoAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.TryOpenAsync(name, cancellationToken);
        return reader is null ? null : (await ReadInfoAsync(reader, cancellationToken)).Info;
    }

    /// <summary>Reads nothing but <see cref="Manifest.Hash"/>, and does not check whether the rest is what it was; null when there is no such object, or less than that of it.</summary>
    public static async Task<UInt128?> TryReadHashAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.TryOpenAsync(name, cancellationToken);
        return reader is null || reader.Length < HashLength ? null : await ReadHashAsync(reader, cancellationToken);
    }

    /// <summary>Reads and checks the whole manifest.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository.</exception>
    public static async Task<Manifest> ReadAsync(DirectoryStore store, string name, CancellationToken cancellationToken)
    {
        using var reader = await store.OpenAsync(name, cancellationToken);
        var (info, bodyOffset) = await ReadInfoAsync(reader, cancellationToken);
        var bodyEnd = reader.Length - HashLength;
        var hash = await CheckHashAsync(reader, bodyEnd, cancellationToken);
        using var range = new ObjectRangeStream(reader, bodyOffset, bodyEnd);
        Manifest? manifest = null;
        SealedBody.ReadBody(name, range, body => manifest = ReadBody(name, info, body, hash));
        return manifest!;
    }

    /// <summary>Reads and checks a whole manifest from an object's bytes.</summary>
    /// <exception cref="BarkeepException">Damaged, HostilePath, NewerRepository.</exception>
    public static Manifest Parse(string name, byte[] bytes)
    {
        var info = Record.Open(name, Kind, Version, bytes, RepoJson.Default.BackupInfo, out var length);
        Manifest? manifest = null;
        SealedBody.Read(name, bytes, length, body => manifest = ReadBody(name, info, body, BinaryPrimitives.ReadUInt128BigEndian(bytes.AsSpan(^HashLength..))));
        return manifest!;
    }

    static Manifest ReadBody(string name, BackupInfo info, Stream body, UInt128 hash)
    {
        var (packs, entries) = ManifestBody.Read(name, body);
        return new() { Info = info, Packs = packs, Entries = entries, Hash = hash };
    }

    static Task<(BackupInfo Info, int Length)> ReadInfoAsync(ObjectReader reader, CancellationToken cancellationToken) =>
        SealedBody.ReadRecordAsync(reader, Kind, Version, RepoJson.Default.BackupInfo, cancellationToken);

    static async Task<UInt128> CheckHashAsync(ObjectReader reader, long end, CancellationToken cancellationToken)
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
        var expected = await ReadHashAsync(reader, cancellationToken);
        return expected == hash.GetCurrentHashAsUInt128() ? expected : throw Record.Damaged(reader.Name, "its hash does not match");
    }

    static async Task<UInt128> ReadHashAsync(ObjectReader reader, CancellationToken cancellationToken)
    {
        var hash = new byte[HashLength];
        await reader.ReadAsync(Math.Max(0, reader.Length - HashLength), hash, cancellationToken);
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}
