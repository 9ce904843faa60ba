using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Backups;

/// <summary>
/// The WAL of a backup that is being imported. It waits in files until all of it, and all else, has been checked: a segment or a history that is in the
/// repository is there for good, and one of somebody else's would be in the way of the server's own.
/// </summary>
/// <param name="directory">Where the segments wait.</param>
sealed class ImportedWal(Lineage lineage, BackupInfo backup, string directory, ILogger logger)
{
    readonly SortedDictionary<ulong, (SegmentName Name, string Hash)> _segments = [];
    readonly Dictionary<TimelineId, TimelineHistory> _histories = [];
    readonly Dictionary<TimelineId, byte[]> _files = [];

    /// <summary>Where a segment is to wait.</summary>
    public string PathOf(SegmentName name) => Path.Combine(directory, name.ToString());

    /// <param name="hash">XXH128 of its bytes, which have been compared with it.</param>
    public void Add(SegmentName name, string hash) => _segments.Add(name.Number(lineage.Identity.SegmentSize), (name, hash));

    /// <exception cref="FormatException">It is none.</exception>
    public void Add(TimelineId timeline, byte[] file)
    {
        _histories.Add(timeline, TimelineHistory.Parse(timeline, file));
        _files.Add(timeline, file);
    }

    /// <summary>Whether all of it belongs to the backup and to what is in the repository. Stores nothing.</summary>
    /// <exception cref="BarkeepException">Damaged; WalDiverged: the repository has others of the same name.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        await CheckTimelinesAsync(cancellationToken);
        foreach (var (timeline, file) in _files)
        {
            if (await lineage.Wal.TryGetHistoryFileAsync(timeline, cancellationToken) is { } known && !known.AsSpan().SequenceEqual(file))
            {
                throw Diverged(timeline.HistoryFileName);
            }
        }
        var walk = new SegmentIntake(lineage, logger) { Histories = _histories };
        foreach (var (name, hash) in _segments.Values)
        {
            if (await walk.TryWalkAsync(name, () => Open(name), cancellationToken) is { } defect)
            {
                throw ImportContents.Wrong(name.ToString(), defect);
            }
            if (await lineage.Wal.HasSegmentAsync(name, cancellationToken) && await HashOfStoredAsync(name, cancellationToken) != hash)
            {
                throw Diverged(name.ToString());
            }
        }
    }

    /// <summary>Puts histories and segments. Durable when it returns; what is there when it throws has passed every check.</summary>
    /// <exception cref="BarkeepException">WalDiverged; DiskFull; Storage.</exception>
    public async Task PutAsync(CancellationToken cancellationToken)
    {
        foreach (var (timeline, file) in _files)
        {
            await lineage.Wal.PutHistoryAsync(timeline, file, cancellationToken);
        }
        var intake = new SegmentIntake(lineage, logger);
        foreach (var (name, _) in _segments.Values)
        {
            if (await intake.TryTakeAsync(name, () => Open(name), cancellationToken) is { } defect)
            {
                throw ImportContents.Wrong(name.ToString(), defect);
            }
        }
    }

    // From the backup's timeline to that of the last segment, and the histories that lead there: of no other timeline, which the server may yet come to.
    async Task CheckTimelinesAsync(CancellationToken cancellationToken)
    {
        var first = backup.TimelineId;
        var last = _segments.Values.Last().Name.Timeline;
        var history = _histories.GetValueOrDefault(last) ?? await lineage.Wal.GetHistoryAsync(last, cancellationToken);
        var led = history.Ancestors.Select(static a => a.Timeline).Append(last).ToList();
        var newest = first;
        foreach (var (name, _) in _segments.Values)
        {
            if (name.Timeline < newest || !led.Contains(name.Timeline))
            {
                throw ImportContents.Wrong(name.ToString(), "is of a timeline that is not the backup's");
            }
            newest = name.Timeline;
        }
        if (!led.Contains(first))
        {
            throw ImportContents.Wrong(last.HistoryFileName, "does not lead from the backup's timeline");
        }
        foreach (var (timeline, other) in _histories)
        {
            if (!led.Contains(timeline) || !history.Ancestors.TakeWhile(a => a.Timeline != timeline).SequenceEqual(other.Ancestors))
            {
                throw ImportContents.Wrong(timeline.HistoryFileName, "is of a timeline that is not the backup's");
            }
        }
    }

    async Task<string> HashOfStoredAsync(SegmentName name, CancellationToken cancellationToken)
    {
        var hash = new XxHash128();
        await using var sink = new SinkStream(bytes => hash.Append(bytes));
        await lineage.Wal.CopySegmentAsync(name, partial: false, sink, cancellationToken);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    FileStream Open(SegmentName name) => new(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);

    static BarkeepException Diverged(string file) =>
        new(ErrorKind.WalDiverged, $"{file} is in the repository already, with other bytes", "the backup is of another cluster that writes WAL of the same name: import it into a server of its own");
}
