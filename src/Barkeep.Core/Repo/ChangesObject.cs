using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>
/// A segment's block changes as an object: record, zstd body, hash (docs/format.md, "Block changes"). They can be made again from the
/// segment: an object that cannot be believed counts as missing. In the store, the lineage's <c>root</c> precedes its name.
/// </summary>
static class ChangesObject
{
    const int Version = 2;

    /// <summary>The first that tells of free space maps.</summary>
    const int MapsVersion = 2;

    const string Kind = "changes";
    const int MaxLength = 256 << 20;

    public static string NameOf(SegmentName segment) => $"changes/{WalArchive.PathOf(segment)}";

    /// <summary>Durable when it returns; one that is there already stays.</summary>
    public static Task PutAsync(DirectoryStore store, string root, SegmentName segment, SegmentSize size, SegmentChanges changes, CancellationToken cancellationToken)
    {
        var name = NameOf(segment);
        var record = Record.Seal(Kind, Version, new(name, size.Bytes, changes.IsWhole, changes.Changes.Everything), RepoJson.Default.ChangesPayload);
        return SealedBody.PutAsync(store, root + name, record, body => ChangesBody.Write(body, changes.Changes), cancellationToken);
    }

    /// <summary>Null when it is not there, or damaged, or of a newer version.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static Task<SegmentChanges?> TryGetAsync(DirectoryStore store, string root, SegmentName segment, SegmentSize size, CancellationToken cancellationToken) =>
        SealedBody.UnlessUnreadableAsync(async () =>
            await store.TryGetAsync(root + NameOf(segment), MaxLength, cancellationToken) is { } bytes ? Read(NameOf(segment), bytes, size) : null);

    static SegmentChanges Read(string name, byte[] bytes, SegmentSize size)
    {
        var payload = Record.Open(name, Kind, Version, bytes, RepoJson.Default.ChangesPayload, out var offset);
        SealedBody.CheckOrigin(name, size, payload.Name, payload.SegmentSize);
        var changes = new BlockChanges();
        if (payload.Everything is { } reason)
        {
            changes.AddEverything(reason);
        }
        if (Record.VersionOf(name, Kind, Version, bytes) < MapsVersion)
        {
            changes.DoubtFreeSpaceMaps();
        }
        SealedBody.Read(name, bytes, offset, body => ChangesBody.Read(name, body, changes));
        return new(changes, payload.IsWhole);
    }
}
