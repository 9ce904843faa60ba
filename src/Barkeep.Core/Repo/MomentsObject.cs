using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>
/// A segment's moments as an object (docs/format.md, "Moments"). They can be made again from the segment: an object that cannot be believed
/// counts as missing. In the store, the lineage's <c>root</c> precedes its name.
/// </summary>
static class MomentsObject
{
    const int Version = 1;
    const string Kind = "moments";
    const int MaxLength = 16 << 20;

    public static string NameOf(SegmentName segment) => $"moments/{WalArchive.PathOf(segment)}";

    /// <summary>Durable when it returns; one that is there already stays.</summary>
    public static Task PutAsync(DirectoryStore store, string root, SegmentName segment, SegmentSize size, SegmentMoments moments, CancellationToken cancellationToken)
    {
        var name = NameOf(segment);
        var record = Record.Seal(Kind, Version, Payload(name, moments, size), RepoJson.Default.MomentsPayload);
        return SealedBody.PutAsync(store, root + name, record, body => MomentsBody.Write(body, moments.Moments, segment.End(size)), cancellationToken);
    }

    /// <summary>Null when it is not there, or damaged, or of a newer version.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static Task<SegmentMoments?> TryGetAsync(DirectoryStore store, string root, SegmentName segment, SegmentSize size, CancellationToken cancellationToken) =>
        SealedBody.UnlessUnreadableAsync(async () =>
            await store.TryGetAsync(root + NameOf(segment), MaxLength, cancellationToken) is { } bytes ? Read(segment, size, bytes) : null);

    /// <summary>As <see cref="TryGetAsync"/>, of the record alone.</summary>
    public static Task<(MomentBounds Bounds, bool IsWhole)?> TryGetBoundsAsync(
        DirectoryStore store, string root, SegmentName segment, SegmentSize size, CancellationToken cancellationToken) =>
        SealedBody.UnlessUnreadableAsync<(MomentBounds, bool)?>(async () =>
        {
            var name = NameOf(segment);
            using var reader = await store.TryOpenAsync(root + name, cancellationToken);
            return reader is null ? null : Check(name, size, (await SealedBody.ReadRecordAsync(reader, Kind, Version, RepoJson.Default.MomentsPayload, cancellationToken)).Payload);
        });

    static SegmentMoments Read(SegmentName segment, SegmentSize size, byte[] bytes)
    {
        var name = NameOf(segment);
        var (bounds, isWhole) = Check(name, size, Record.Open(name, Kind, Version, bytes, RepoJson.Default.MomentsPayload, out var offset));
        var moments = new Moments();
        SealedBody.Read(name, bytes, offset, body => MomentsBody.Read(name, body, segment.End(size), moments));
        return new(moments, bounds, isWhole);
    }

    static Payloads.MomentsPayload Payload(string name, SegmentMoments moments, SegmentSize size)
    {
        var b = moments.Bounds;
        var last = b.LastCommit is { } commit ? new Payloads.CommitPayload(commit.Position.ToString(), commit.End.ToString(), commit.Time.Microseconds, commit.Xid) : null;
        return new(
            name, size.Bytes, moments.IsWhole, b.FirstRecord.ToString(), b.LastRecord.ToString(), b.Commits, b.Aborts,
            b.LeastTime.Microseconds, b.GreatestTime.Microseconds, b.LeastXid, b.GreatestXid, last, b.RestorePoints, b.Switches, b.Losses);
    }

    static (MomentBounds Bounds, bool IsWhole) Check(string name, SegmentSize size, Payloads.MomentsPayload payload)
    {
        SealedBody.CheckOrigin(name, size, payload.Name, payload.SegmentSize);
        if (payload.Commits < 0 || payload.Aborts < 0 || payload.RestorePoints < 0 || payload.Switches < 0 || payload.Losses < 0 || (payload.LastCommit is null) != (payload.Commits == 0))
        {
            throw Record.Damaged(name, "it counts what cannot be");
        }
        CommitMoment? last = payload.LastCommit is { } commit ? new(Position(name, commit.Position), Position(name, commit.End), new(commit.Time), commit.Xid) : null;
        var bounds = new MomentBounds
        {
            FirstRecord = Position(name, payload.FirstRecord),
            LastRecord = Position(name, payload.LastRecord),
            Commits = payload.Commits,
            Aborts = payload.Aborts,
            LeastTime = new(payload.LeastTime),
            GreatestTime = new(payload.GreatestTime),
            LeastXid = payload.LeastXid,
            GreatestXid = payload.GreatestXid,
            LastCommit = last,
            RestorePoints = payload.RestorePoints,
            Switches = payload.Switches,
            Losses = payload.Losses,
        };
        return (bounds, payload.IsWhole);
    }

    static Lsn Position(string name, string? text) =>
        Lsn.TryParse(text, out var position) ? position : throw Record.Damaged(name, $"'{text}' is no position");
}
