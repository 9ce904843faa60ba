using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;
using ZstdSharp;

namespace Barkeep.Repo;

/// <summary>
/// A segment's block changes as an object: record, zstd body, hash (docs/format.md, "Block changes"). They can be made again from the
/// segment: an object that cannot be believed counts as missing. Names are relative to the lineage, whose <c>root</c> precedes them in the store.
/// </summary>
static class ChangesObject
{
    const int Version = 1;
    const string Kind = "changes";
    const int HashLength = 16;
    const int CompressionLevel = 1;
    const int MaxLength = 256 << 20;

    /// <summary>Durable when it returns; one that is there already stays.</summary>
    public static async Task PutAsync(DirectoryStore store, string root, string name, SegmentChanges segment, SegmentSize size, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        bytes.Write(Record.Seal(Kind, Version, new(name, size.Bytes, segment.IsWhole, segment.Changes.Everything), RepoJson.Default.ChangesPayload));
        await using (var body = new CompressionStream(bytes, CompressionLevel, leaveOpen: true))
        {
            ChangesBody.Write(body, segment.Changes);
        }
        bytes.Write(XxHash128.Hash(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        await store.PutAsync(root + name, bytes.GetBuffer().AsMemory(0, (int)bytes.Length), cancellationToken);
    }

    /// <summary>Null when it is not there, or damaged, or of a newer version.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static async Task<SegmentChanges?> TryGetAsync(DirectoryStore store, string root, string name, SegmentSize size, CancellationToken cancellationToken)
    {
        try
        {
            var bytes = await store.TryGetAsync(root + name, MaxLength, cancellationToken);
            return bytes is null ? null : Read(name, bytes, size);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return null;
        }
    }

    static SegmentChanges Read(string name, byte[] bytes, SegmentSize size)
    {
        var payload = Record.Open(name, Kind, Version, bytes, RepoJson.Default.ChangesPayload, out var offset);
        if (payload.Name != name || payload.SegmentSize != size.Bytes)
        {
            throw Record.Damaged(name, $"it holds {payload.Name}, in segments of {payload.SegmentSize} bytes");
        }
        var end = bytes.Length - HashLength;
        if (end < offset || !XxHash128.Hash(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end)))
        {
            throw Record.Damaged(name, "its hash does not match");
        }
        var changes = new BlockChanges();
        if (payload.Everything is { } reason)
        {
            changes.AddEverything(reason);
        }
        try
        {
            using var body = new DecompressionStream(new MemoryStream(bytes, offset, end - offset));
            ChangesBody.Read(name, body, changes);
        }
        catch (Exception e) when (e is ZstdException or EndOfStreamException)
        {
            throw Record.Damaged(name, e.Message);
        }
        return new(changes, payload.IsWhole);
    }
}
