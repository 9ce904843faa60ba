using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>A lineage's WAL in the repository: complete segments, the partial ones in which a timeline ended, history files, known gaps.</summary>
public sealed class WalArchive
{
    const int Version = 1;
    const string PartialSuffix = ".partial";
    const string ConflictPrefix = "conflicts/";
    const string DamagedPrefix = "damaged/wal/";
    const string DamagedKind = "damaged-wal";

    readonly DirectoryStore _store;
    readonly string _root;

    internal WalArchive(DirectoryStore store, string root, ClusterIdentity identity)
    {
        _store = store;
        _root = root;
        SegmentSize = identity.SegmentSize;
    }

    public SegmentSize SegmentSize { get; }

    /// <summary>Stores a complete segment, whose records the caller has checked. It takes the place of one that cannot be read any more. Durable when it returns.</summary>
    /// <param name="content">Its bytes from the first to the last.</param>
    /// <returns>False when the same bytes were there already.</returns>
    /// <exception cref="BarkeepException">WalDiverged when other bytes are there; DiskFull; Storage.</exception>
    public async Task<bool> PutSegmentAsync(SegmentName name, Stream content, CancellationToken cancellationToken)
    {
        var isNew = await WalObject.PutAsync(_store, _root, ObjectOf(name), content, SegmentSize.Bytes, cancellationToken);
        await UnmarkAsync(name, partial: false, cancellationToken);
        return isNew;
    }

    /// <summary>Stores the received part of a segment in which its timeline ended. As <see cref="PutSegmentAsync"/> otherwise.</summary>
    /// <param name="length">How many bytes of it were received.</param>
    public async Task<bool> PutPartialAsync(SegmentName name, Stream content, int length, CancellationToken cancellationToken)
    {
        var isNew = await WalObject.PutAsync(_store, _root, ObjectOf(name, partial: true), content, length, cancellationToken);
        await UnmarkAsync(name, partial: true, cancellationToken);
        return isNew;
    }

    /// <summary>Stores a timeline history file, as PostgreSQL wrote it. As <see cref="PutSegmentAsync"/> otherwise.</summary>
    public async Task<bool> PutHistoryAsync(TimelineId timeline, byte[] content, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream(content, writable: false);
        return await WalObject.PutAsync(_store, _root, HistoryObject(timeline), stream, content.Length, cancellationToken);
    }

    /// <summary>Has a stored segment count as missing, until it is put anew or <see cref="UnmarkAsync"/> is called. Durable when it returns.</summary>
    /// <param name="how">What is wrong with it, in a line for people.</param>
    public async Task MarkDamagedAsync(SegmentName name, bool partial, string how, CancellationToken cancellationToken)
    {
        var marked = ObjectOf(name, partial);
        await _store.PutAsync(_root + MarkOf(name, partial), Record.Seal(DamagedKind, Version, new(marked, how), RepoJson.Default.DamagedWalPayload), cancellationToken);
    }

    /// <summary>Says that a stored segment has been read to its last byte and is sound.</summary>
    public async Task UnmarkAsync(SegmentName name, bool partial, CancellationToken cancellationToken)
    {
        var mark = _root + MarkOf(name, partial);
        if (await _store.ExistsAsync(mark, cancellationToken))
        {
            await _store.DeleteAsync(mark, cancellationToken);
        }
    }

    /// <summary>Whether a timeline's history file is here and can be read.</summary>
    public async Task<bool> HasSoundHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            return await TryGetHistoryFileAsync(timeline, cancellationToken) is not null;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return false;
        }
    }

    public ValueTask<bool> HasSegmentAsync(SegmentName name, CancellationToken cancellationToken) =>
        _store.ExistsAsync(_root + ObjectOf(name), cancellationToken);

    /// <summary>Whether a segment is here and is not known to be damaged.</summary>
    public async ValueTask<bool> HasSoundSegmentAsync(SegmentName name, CancellationToken cancellationToken) =>
        await HasSegmentAsync(name, cancellationToken) && !await _store.ExistsAsync(_root + MarkOf(name, partial: false), cancellationToken);

    public ValueTask<bool> HasPartialAsync(SegmentName name, CancellationToken cancellationToken) =>
        _store.ExistsAsync(_root + ObjectOf(name, partial: true), cancellationToken);

    /// <summary>How many bytes of a segment its partial object holds, as it says itself; null when there is none, or it cannot be read.</summary>
    public Task<long?> TryGetPartialLengthAsync(SegmentName name, CancellationToken cancellationToken) =>
        WalObject.TryReadLengthAsync(_store, _root, ObjectOf(name, partial: true), SegmentSize.Bytes, cancellationToken);

    /// <summary>Writes a stored segment's bytes, each frame checked before it is written.</summary>
    /// <returns>The number of bytes: a whole segment unless partial.</returns>
    /// <exception cref="BarkeepException">ObjectMissing; Damaged: what has been written by then must not be used.</exception>
    public Task<long> CopySegmentAsync(SegmentName name, bool partial, Stream destination, CancellationToken cancellationToken) =>
        CopySegmentStartAsync(name, partial, long.MaxValue, destination, cancellationToken);

    /// <summary>As <see cref="CopySegmentAsync"/>, but of what comes after so many bytes perhaps nothing is written: it costs as much as is needed.</summary>
    public async Task<long> CopySegmentStartAsync(SegmentName name, bool partial, long needed, Stream destination, CancellationToken cancellationToken)
    {
        var length = await WalObject.CopyAsync(_store, _root, ObjectOf(name, partial), SegmentSize.Bytes, needed, destination, cancellationToken);
        return partial || length == SegmentSize.Bytes
            ? length
            : throw new BarkeepException(ErrorKind.Damaged, $"WAL segment {name} in the repository has {length} bytes instead of {SegmentSize.Bytes}", "barman put-wal brings WAL back");
    }

    /// <summary>The bytes of a timeline history file; null when it was not received.</summary>
    public async Task<byte[]?> TryGetHistoryFileAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (!await _store.ExistsAsync(_root + HistoryObject(timeline), cancellationToken))
        {
            return null;
        }
        using var content = new MemoryStream();
        await WalObject.CopyAsync(_store, _root, HistoryObject(timeline), 1 << 20, long.MaxValue, content, cancellationToken);
        return content.ToArray();
    }

    /// <summary>The history of a timeline: from its history file, or without ancestors when there is none.</summary>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public async Task<TimelineHistory> GetHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        var content = await TryGetHistoryFileAsync(timeline, cancellationToken);
        try
        {
            return content is null ? TimelineHistory.Initial(timeline) : TimelineHistory.Parse(timeline, content);
        }
        catch (FormatException e)
        {
            throw Record.Damaged(HistoryObject(timeline), e.Message);
        }
    }

    /// <summary>The timelines whose history files are here, ascending.</summary>
    public async Task<IReadOnlyList<TimelineId>> ListHistoriesAsync(CancellationToken cancellationToken)
    {
        var timelines = new List<TimelineId>();
        foreach (var found in await _store.ListAsync($"{_root}wal/history/", cancellationToken))
        {
            if (TimelineId.TryParseHex(LastPart(found.Name), out var timeline))
            {
                timelines.Add(timeline);
            }
        }
        return timelines;
    }

    /// <summary>The histories that are here and can be read, by timeline, and a line for each that cannot.</summary>
    public async Task<(IReadOnlyDictionary<TimelineId, TimelineHistory> Sound, IReadOnlyDictionary<TimelineId, string> Damaged)> ReadHistoriesAsync(CancellationToken cancellationToken)
    {
        var (histories, damaged) = (new Dictionary<TimelineId, TimelineHistory>(), new Dictionary<TimelineId, string>());
        foreach (var timeline in await ListHistoriesAsync(cancellationToken))
        {
            try
            {
                histories[timeline] = await GetHistoryAsync(timeline, cancellationToken);
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
            {
                damaged.Add(timeline, e.Message);
            }
        }
        return (histories, damaged);
    }

    /// <summary>All segments, by timeline and position, a partial one after the complete one of the same name.</summary>
    public async Task<IReadOnlyList<StoredSegment>> ListSegmentsAsync(CancellationToken cancellationToken)
    {
        var segments = new List<StoredSegment>();
        var damaged = (await _store.ListNamesAsync(_root + DamagedPrefix, cancellationToken)).Select(LastPart).ToHashSet(StringComparer.Ordinal);
        foreach (var found in await _store.ListAsync($"{_root}wal/", cancellationToken))
        {
            var last = LastPart(found.Name);
            var partial = last.EndsWith(PartialSuffix, StringComparison.Ordinal);
            if (SegmentName.TryParse(partial ? last[..^PartialSuffix.Length] : last, out var name) && name.IsValidFor(SegmentSize))
            {
                segments.Add(new(name, partial, found.Length, damaged.Contains(last)));
            }
        }
        return segments;
    }

    /// <summary>Stores what a complete segment changes, after the segment itself. Durable when it returns; what is there already stays.</summary>
    public Task PutChangesAsync(SegmentName name, SegmentChanges changes, CancellationToken cancellationToken) =>
        ChangesObject.PutAsync(_store, _root, name, SegmentSize, changes, cancellationToken);

    /// <summary>What a complete segment changes; null when that is not stored, or damaged: the segment itself tells it then.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public Task<SegmentChanges?> TryGetChangesAsync(SegmentName name, CancellationToken cancellationToken) =>
        ChangesObject.TryGetAsync(_store, _root, name, SegmentSize, cancellationToken);

    /// <summary>Stores the moments of a complete segment, after the segment itself. Durable when it returns; what is there already stays.</summary>
    public Task PutMomentsAsync(SegmentName name, SegmentMoments moments, CancellationToken cancellationToken) =>
        MomentsObject.PutAsync(_store, _root, name, SegmentSize, moments, cancellationToken);

    /// <summary>The moments of a complete segment; null when they are not stored, or damaged: the segment itself tells them then.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public Task<SegmentMoments?> TryGetMomentsAsync(SegmentName name, CancellationToken cancellationToken) =>
        MomentsObject.TryGetAsync(_store, _root, name, SegmentSize, cancellationToken);

    /// <summary>Between what the moments of a complete segment lie, and whether all of its records are among them; null as <see cref="TryGetMomentsAsync"/>. Reads little.</summary>
    public Task<(MomentBounds Bounds, bool IsWhole)?> TryGetMomentBoundsAsync(SegmentName name, CancellationToken cancellationToken) =>
        MomentsObject.TryGetBoundsAsync(_store, _root, name, SegmentSize, cancellationToken);

    /// <summary>Removes a segment that no backup needs any more, with what was derived from it and what says that it is damaged.</summary>
    public async ValueTask DeleteSegmentAsync(StoredSegment segment, CancellationToken cancellationToken)
    {
        if (!segment.IsPartial)
        {
            await _store.DeleteAsync(_root + ChangesObject.NameOf(segment.Name), cancellationToken);
            await _store.DeleteAsync(_root + MomentsObject.NameOf(segment.Name), cancellationToken);
        }
        await UnmarkAsync(segment.Name, segment.IsPartial, cancellationToken);
        await _store.DeleteAsync(_root + ObjectOf(segment.Name, segment.IsPartial), cancellationToken);
    }

    /// <summary>Puts the received part of a segment in the place of a shorter one: a reader finds one or the other, and so does who comes after a crash or a full disk.</summary>
    /// <exception cref="BarkeepException">DiskFull, Storage.</exception>
    public async Task ReplacePartialAsync(SegmentName name, Stream content, int length, CancellationToken cancellationToken)
    {
        await WalObject.ReplaceAsync(_store, _root, ObjectOf(name, partial: true), content, length, cancellationToken);
        await UnmarkAsync(name, partial: true, cancellationToken);
    }

    /// <summary>Keeps a file that was refused, under the hash of its bytes: the same ones again change nothing. Durable when it returns.</summary>
    public async Task<WalConflict> KeepConflictAsync(WalFileName file, byte[] content, CancellationToken cancellationToken)
    {
        var name = $"{ConflictPrefix}{file.Text}-{Convert.ToHexStringLower(XxHash128.Hash(content))}";
        using var stream = new MemoryStream(content, writable: false);
        await WalObject.PutAsync(_store, _root, name, stream, content.Length, cancellationToken);
        return new(file, _root + name);
    }

    /// <summary>All files that were refused because they contradict what was here, by name.</summary>
    public async Task<IReadOnlyList<WalConflict>> ListConflictsAsync(CancellationToken cancellationToken)
    {
        var conflicts = new List<WalConflict>();
        foreach (var name in await _store.ListNamesAsync(_root + ConflictPrefix, cancellationToken))
        {
            var last = LastPart(name);
            if (last.LastIndexOf('-') is > 0 and var end && WalFileName.TryParse(last[..end], out var file))
            {
                conflicts.Add(new(file, name));
            }
        }
        return conflicts;
    }

    /// <summary>Removes the refused files of segments that end by a position.</summary>
    public async Task DeleteConflictsBeforeAsync(Lsn position, CancellationToken cancellationToken)
    {
        foreach (var conflict in await ListConflictsAsync(cancellationToken))
        {
            if (conflict.File.Kind != WalFileKind.History && conflict.File.Segment.End(SegmentSize) <= position)
            {
                await _store.DeleteAsync(conflict.ObjectName, cancellationToken);
            }
        }
    }

    /// <summary>Records that WAL is missing. Durable when it returns; recording the same gap again changes nothing.</summary>
    public async Task RecordGapAsync(Gap gap, CancellationToken cancellationToken) =>
        await _store.PutAsync(
            $"{_root}gaps/{gap.ObjectName}",
            Record.Seal("gap", Version, new(gap.Reason, gap.FoundAt), RepoJson.Default.GapPayload),
            cancellationToken);

    /// <summary>All known gaps, by timeline and position.</summary>
    public async Task<IReadOnlyList<Gap>> ListGapsAsync(CancellationToken cancellationToken)
    {
        var gaps = new List<Gap>();
        foreach (var found in await _store.ListAsync($"{_root}gaps/", cancellationToken))
        {
            // What is no gap by its name was put there by somebody else: the holes in the WAL itself are seen without these records.
            if (Gap.TryParseName(LastPart(found.Name), out var timeline, out var from, out var to)
                && await _store.TryGetAsync(found.Name, Record.MaxPayloadLength, cancellationToken) is { } bytes)
            {
                var payload = Record.Open(found.Name, "gap", Version, bytes, RepoJson.Default.GapPayload);
                gaps.Add(new(timeline, from, to, payload.Reason, payload.FoundAt));
            }
        }
        return gaps;
    }

    static string LastPart(string name) => name[(name.LastIndexOf('/') + 1)..];

    static string HistoryObject(TimelineId timeline) => $"wal/history/{timeline.Hex}";

    static string ObjectOf(SegmentName name, bool partial = false) => $"wal/{PathOf(name)}{SuffixOf(partial)}";

    static string MarkOf(SegmentName name, bool partial) => $"{DamagedPrefix}{name}{SuffixOf(partial)}";

    static string SuffixOf(bool partial) => partial ? PartialSuffix : "";

    /// <summary>Of a segment below the directory of its kind of object.</summary>
    internal static string PathOf(SegmentName name)
    {
        var text = name.ToString();
        return $"{text.AsSpan(0, 16)}/{text}";
    }
}
