using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Puts the WAL of a route into the restored pg_wal, whole segments that end in zeros behind the last record, and marks them
/// as archived. Every record is checked once more on the way. Replay must not create tablespaces where the original had them:
/// those records are disarmed, and the caller makes the directories.
/// </summary>
sealed class WalWriter(RestoreSource source, WalReading reading, TargetTree tree, ProgressMeter meter, BandwidthLimit limit)
{
    /// <returns>The tablespaces whose creation was disarmed, and the limits that replay needs.</returns>
    /// <exception cref="Common.BarkeepException">Damaged, ObjectMissing, DiskFull, Storage.</exception>
    public async Task<(IReadOnlyList<TablespaceCreation> Tablespaces, ServerLimits Limits)> RunAsync(CancellationToken cancellationToken)
    {
        var written = await WriteHistoriesAsync(cancellationToken);
        var route = source.Placed;
        var begin = source.Backup.Info!.BeginLsn;
        var needs = new ReplayNeeds();
        var walker = new RecordWalker(route.Parts[0].Segment.Name.Start(route.SegmentSize), route.History, route.SegmentSize, source.Lineage.Identity.SystemId);
        foreach (var part in route.Parts)
        {
            var name = part.Segment.Name.ToString();
            var path = $"pg_wal/{name}";
            using var file = tree.CreateFile(path);
            tree.SetLength(file, route.SegmentSize.Bytes, path);
            long offset = 0;
            await using var sink = new SinkStream(
                bytes =>
                {
                    walker.Append(bytes, ref needs);
                    tree.Write(file, bytes, offset, path);
                    offset += bytes.Length;
                    meter.Add(bytes.Length);
                },
                part.Keep);
            await limit.TakeAsync(part.Segment.StoredLength, cancellationToken);
            await reading.CopyAsync(part.Segment, sink, cancellationToken);
            if (offset < part.Keep)
            {
                throw new BarkeepException(ErrorKind.Damaged, $"WAL segment {name} has lost bytes since the restore began: {offset} of {part.Keep} are there", "restore again");
            }
            if (walker.Defect is { } defect)
            {
                throw new BarkeepException(ErrorKind.Damaged, $"the WAL in segment {name} cannot be right: {defect}", "move the segment out of the repository to restore up to it");
            }
            written.Add(name);
        }
        var replayed = needs.Tablespaces.Where(c => c.Start >= begin).ToList();
        foreach (var patch in replayed.SelectMany(c => c.Disarm(route.SegmentSize)))
        {
            Apply(route, patch);
        }
        meter.Begin(RestoreStep.ArchiveStatus);
        written.ForEach(name => tree.WriteFile($"pg_wal/archive_status/{name}.done", []));
        return (replayed, needs.Limits);
    }

    void Apply(WalRoute route, WalPatch patch)
    {
        var part = route.Parts.Single(p => p.Segment.Name.Number(route.SegmentSize) == route.SegmentSize.NumberOf(patch.Position));
        var path = $"pg_wal/{part.Segment.Name}";
        using var file = tree.OpenForWriting(path);
        tree.Write(file, [patch.Value], route.SegmentSize.OffsetOf(patch.Position), path);
    }

    // All of them, not only the ancestry: recovery opens a timeline that none of them has.
    async Task<List<string>> WriteHistoriesAsync(CancellationToken cancellationToken)
    {
        var written = new List<string>();
        foreach (var timeline in source.Received.Histories.Keys)
        {
            if (await source.Lineage.Wal.TryGetHistoryFileAsync(timeline, cancellationToken) is { } content)
            {
                tree.WriteFile($"pg_wal/{timeline.HistoryFileName}", content);
                written.Add(timeline.HistoryFileName);
            }
        }
        return written;
    }
}
