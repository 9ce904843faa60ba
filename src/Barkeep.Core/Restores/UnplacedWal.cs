using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// The WAL that a restored cluster will get as the original wrote it. Replay creates the tablespaces in it in the original's places, and on the original's machine would
/// write to the original's files.
/// </summary>
static class UnplacedWal
{
    /// <summary>Walks it as far as it was received and is replayed.</summary>
    /// <returns>The limits that replay needs.</returns>
    /// <exception cref="BarkeepException">TargetInUse: a tablespace's place exists on this machine. Damaged, ObjectMissing, Storage.</exception>
    public static async Task<ServerLimits> CheckAsync(
        RestoreSource source, WalReading reading, BandwidthLimit limit, IProgress<RestoreProgress>? progress, List<string> warnings, CancellationToken cancellationToken)
    {
        var route = source.Stop is { } stop ? source.Route.Until(stop.Stop.End) : source.Route;
        var needs = new ReplayNeeds();
        var walker = new RecordWalker(route.Parts[0].Segment.Name.Start(route.SegmentSize), route.History, route.SegmentSize, source.Lineage.Identity.SystemId);
        var meter = new ProgressMeter(progress, route.Parts.Sum(static p => (long)p.Keep));
        meter.Begin(RestoreStep.Checking);
        foreach (var part in route.Parts)
        {
            await using var walking = new SinkStream(
                bytes =>
                {
                    walker.Append(bytes, ref needs);
                    meter.Add(bytes.Length);
                },
                part.Keep);
            await limit.TakeAsync(part.Segment.StoredLength, cancellationToken);
            await reading.CopyAsync(part.Segment, walking, cancellationToken);
        }
        foreach (var creation in needs.Tablespaces.Where(c => c.Start >= source.Backup.Info!.BeginLsn))
        {
            if (Directory.Exists(creation.Path))
            {
                throw new BarkeepException(
                    ErrorKind.TargetInUse,
                    $"the tablespace {creation.Oid} was created at {creation.Path} after the backup, where replay would create it again, and that directory exists on this machine",
                    "restore with --no-get-wal, which puts it elsewhere, from a later backup, or on another machine");
            }
            warnings.Add($"the tablespace {creation.Oid} was created after the backup: replay creates it at {creation.Path}, which must be an empty directory of the server's user before PostgreSQL is started");
        }
        return needs.Limits;
    }
}
