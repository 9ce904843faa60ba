using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>
/// A segment's moments as an object (docs/format.md, "Moments"). They can be made again from the segment: an object that cannot be believed
/// counts as missing. Names are relative to the lineage, whose <c>root</c> precedes them in the store.
/// </summary>
static class MomentsObject
{
    const int Version = 1;
    const string Kind = "moments";
    const int MaxLength = 16 << 20;

    /// <summary>Durable when it returns; one that is there already stays.</summary>
    public static Task PutAsync(DirectoryStore store, string root, string name, SegmentMoments segment, SegmentSize size, CancellationToken cancellationToken) =>
        SealedBody.PutAsync(
            store,
            root + name,
            Record.Seal(Kind, Version, Payload(name, segment, size), RepoJson.Default.MomentsPayload),
            body => MomentsBody.Write(body, segment.Moments, SegmentEnd(name, size)),
            cancellationToken);

    /// <summary>Null when it is not there, or damaged, or of a newer version.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static async Task<SegmentMoments?> TryGetAsync(
        DirectoryStore store, string root, string name, Lsn segmentEnd, SegmentSize size, CancellationToken cancellationToken)
    {
        try
        {
            if (await store.TryGetAsync(root + name, MaxLength, cancellationToken) is not { } bytes)
            {
                return null;
            }
            var (bounds, isWhole) = Check(name, size, Record.Open(name, Kind, Version, bytes, RepoJson.Default.MomentsPayload, out var offset));
            var moments = new Moments();
            SealedBody.Read(name, bytes, offset, body => MomentsBody.Read(name, body, segmentEnd, moments));
            return new(moments, bounds, isWhole);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return null;
        }
    }

    /// <summary>As <see cref="TryGetAsync"/>, of the record alone.</summary>
    public static async Task<(MomentBounds Bounds, bool IsWhole)?> TryGetBoundsAsync(
        DirectoryStore store, string root, string name, SegmentSize size, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = await store.TryOpenAsync(root + name, cancellationToken);
            return reader is null ? null : Check(name, size, (await SealedBody.ReadRecordAsync(reader, Kind, Version, RepoJson.Default.MomentsPayload, cancellationToken)).Payload);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return null;
        }
    }

    static Lsn SegmentEnd(string name, SegmentSize size) =>
        SegmentName.TryParse(name.AsSpan(name.LastIndexOf('/') + 1), out var segment) ? segment.End(size) : throw new ArgumentException(name, nameof(name));

    static Payloads.MomentsPayload Payload(string name, SegmentMoments segment, SegmentSize size)
    {
        var b = segment.Bounds;
        var last = b.LastCommit is { } commit ? new Payloads.CommitPayload(commit.Position.ToString(), commit.End.ToString(), commit.Time.Microseconds, commit.Xid) : null;
        return new(
            name, size.Bytes, segment.IsWhole, b.FirstRecord.ToString(), b.LastRecord.ToString(), b.Commits, b.Aborts,
            b.LeastTime.Microseconds, b.GreatestTime.Microseconds, b.LeastXid, b.GreatestXid, last, b.RestorePoints, b.Switches, b.Losses);
    }

    static (MomentBounds Bounds, bool IsWhole) Check(string name, SegmentSize size, Payloads.MomentsPayload payload)
    {
        if (payload.Name != name || payload.SegmentSize != size.Bytes)
        {
            throw Record.Damaged(name, $"it holds {payload.Name}, in segments of {payload.SegmentSize} bytes");
        }
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
