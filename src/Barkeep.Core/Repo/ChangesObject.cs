using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>
/// A segment's block changes as an object: record, zstd body, hash (docs/format.md, "Block changes"). They can be made again from the
/// segment: an object that cannot be believed counts as missing. Names are relative to the lineage, whose <c>root</c> precedes them in the store.
/// </summary>
static class ChangesObject
{
    const int Version = 1;
    const string Kind = "changes";
    const int MaxLength = 256 << 20;

    /// <summary>Durable when it returns; one that is there already stays.</summary>
    public static Task PutAsync(DirectoryStore store, string root, string name, SegmentChanges segment, SegmentSize size, CancellationToken cancellationToken) =>
        SealedBody.PutAsync(
            store,
            root + name,
            Record.Seal(Kind, Version, new(name, size.Bytes, segment.IsWhole, segment.Changes.Everything), RepoJson.Default.ChangesPayload),
            body => ChangesBody.Write(body, segment.Changes),
            cancellationToken);

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
        var changes = new BlockChanges();
        if (payload.Everything is { } reason)
        {
            changes.AddEverything(reason);
        }
        SealedBody.Read(name, bytes, offset, body => ChangesBody.Read(name, body, changes));
        return new(changes, payload.IsWhole);
    }
}
