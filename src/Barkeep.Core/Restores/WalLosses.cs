using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Says loudly what was received and is not restored: nothing that is lost is lost in silence.</summary>
static class WalLosses
{
    /// <param name="asked">Who names a timeline knows of the others.</param>
    public static void Tell(RestoreSource source, TimelineChoice asked, List<string> warnings)
    {
        var (route, received) = (source.Route, source.Received);
        var size = route.SegmentSize;
        if (asked == TimelineChoice.Latest && source.Present.RemarkOn(route) is { } remark)
        {
            warnings.Add(remark);
        }
        if (source.Stop is { Equivalent: null })
        {
            // What lies beyond the target is not wanted.
            warnings.AddRange(received.Notes);
            return;
        }

        // A gap in the restored history.
        if ((route.FindMissing(received) ?? FindMissingBeyond(source, asked)) is { } missing)
        {
            warnings.Add(!missing.IsRecorded && source.Backup.Keep == KeepTarget.Standalone
                ? $"backup {source.Backup.Id} is kept by itself, without the WAL after it: the restore ends at {route.End}"
                : $"WAL IS MISSING, {missing}: the restore ends at {route.End}; what was committed after that is lost, unless a later backup holds it");
        }

        // Bytes that are there and cannot be replayed. Zeros in the last segment are what a crash of the machine leaves behind the last flush.
        var within = route.ReceivedEnd <= route.End.AlignUp(size.Bytes);
        if (route.Defect is { } defect && !(defect.Kind == WalDefectKind.EndOfWal && within))
        {
            warnings.Add($"THE LAST WAL CANNOT BE USED: the restore ends at {route.End} ({defect}); {route.ReceivedEnd - route.End} bytes from there to {route.ReceivedEnd} are lost, unless barman receive-wal gets them again");
        }

        warnings.AddRange(received.Notes);

        // Another branch goes on where this one was left, after the backup.
        foreach (var ancestor in route.History.Ancestors.Where(a => asked == TimelineChoice.Latest && a.Timeline >= source.Backup.Info!.TimelineId))
        {
            if (received.LastEnd(ancestor.Timeline, (ancestor.End + 1).AlignUp(size.Bytes)) is { } other)
            {
                warnings.Add($"timeline {ancestor.Timeline} went on, at most to {other}, after timeline {route.History.Timeline}'s history left it at {ancestor.End}: that part is not restored");
            }
        }
    }

    // Where nothing of a timeline is left after the route's end, only those that go on from it tell that it went further.
    static MissingWal? FindMissingBeyond(RestoreSource source, TimelineChoice asked)
    {
        var (route, info) = (source.Route, source.Backup.Info!);
        foreach (var history in source.Received.Histories.Values.OrderByDescending(h => h.Timeline == source.Present.Timeline).ThenByDescending(static h => h.Timeline))
        {
            var wentOn = history.Ancestors.Any(a => a.Timeline == route.History.Timeline && a.End > route.ReceivedEnd);
            if ((wentOn || (asked == TimelineChoice.Latest && history.Timeline == source.Present.Timeline))
                && WalRoute.Choose(source.Received, info.TimelineId, info.BeginLsn, info.EndLsn, history.Timeline) is { IsOnItsTimeline: false } beyond
                && beyond.FindMissing(source.Received) is { } missing)
            {
                return missing;
            }
        }
        return null;
    }
}
