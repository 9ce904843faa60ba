using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>What of a backup an export has restored before it writes the tar: the small files, among them all that a restore changes, and the WAL that makes it consistent.</summary>
static class ExportNarrowing
{
    const long SmallLength = 1 << 20;

    /// <exception cref="BarkeepException">BackupUnusable when some of that WAL is not complete yet.</exception>
    public static RestoreSource Apply(RestoreSource source)
    {
        var route = FindRoute(source);
        var names = route.Parts.Select(static p => p.Segment);
        var histories = source.Received.Histories.Values.Where(h => h.Timeline == route.History.Timeline || route.History.Ancestors.Any(a => a.Timeline == h.Timeline));
        return source with
        {
            Manifest = source.Manifest with { Entries = [.. source.Manifest.Entries.Where(IsIncluded)] },
            Received = new(names, histories, [], source.Received.SegmentSize),
            Route = route,
            Placed = route,
        };
    }

    /// <summary>Whether a manifest's entry is restored, instead of going straight into the tar.</summary>
    public static bool IsIncluded(ManifestEntry entry) =>
        entry.Kind != ManifestEntryKind.File || entry.Path == ManifestCheck.ControlFile
        || (entry.Length <= SmallLength && !ExpectedContent.StandardDirectories.Contains(entry.Path.Split('/')[0], StringComparer.Ordinal));

    // On the oldest timeline that has it all, in whole segments: another server than the one that was promoted wants no other.
    static WalRoute FindRoute(RestoreSource source)
    {
        var (info, received) = (source.Manifest.Info, source.Received);
        foreach (var timeline in received.Histories.Keys.Append(info.TimelineId).Distinct().Order())
        {
            if (WalRoute.Choose(received, info.TimelineId, info.BeginLsn, info.EndLsn, timeline) is not { } route)
            {
                continue;
            }
            var parts = route.Parts.TakeWhile(p => p.Segment.Name.Start(route.SegmentSize) < info.EndLsn).ToList();
            if (parts.Count > 0 && parts[^1].Segment.Name.End(route.SegmentSize) >= info.EndLsn && parts.TrueForAll(p => p.Segment.Place == WalPlace.Repository && p.Keep == route.SegmentSize.Bytes))
            {
                var end = parts[^1].Segment.Name.End(route.SegmentSize);
                return route with { Parts = parts, End = end, ReceivedEnd = end, Missing = parts[^1].Segment.Name.Next(route.SegmentSize), Defect = null };
            }
        }
        throw new BarkeepException(
            ErrorKind.BackupUnusable, $"the WAL of backup {source.Backup.Id}, up to {info.EndLsn}, is not in the repository in whole segments yet", $"barman switch-wal --archive {info.Server} completes the last one");
    }
}
