using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>
/// Which WAL a lineage's backups need: each one all that can be reached from its begin on, whichever timeline it is on, or, when it is kept by itself,
/// only its own range, once there is a later one.
/// </summary>
public sealed class WalNeeds
{
    readonly SegmentSize _size;
    readonly IReadOnlyDictionary<TimelineId, TimelineHistory> _histories;
    readonly IReadOnlyList<(BackupInfo Info, bool IsStandalone)> _backups;
    readonly TimelineId _highest;
    readonly Dictionary<TimelineId, Needs> _timelines = [];

    /// <param name="backups">All that have a manifest, oldest first, and what there is of each.</param>
    /// <param name="histories">Those that are known; a timeline above 1 that is not among them could descend from any.</param>
    public WalNeeds(IReadOnlyList<(BackupInfo Info, BackupParts Parts)> backups, IReadOnlyDictionary<TimelineId, TimelineHistory> histories, SegmentSize size)
    {
        (_histories, _size) = (histories, size);
        // The newest that is complete needs all that comes after it, however it is kept: nothing else leads to the present.
        var newest = backups.Count - 1;
        while (newest >= 0 && !backups[newest].Parts.HasFlag(BackupParts.Complete))
        {
            newest--;
        }
        _backups = [.. backups.Select((b, i) => (b.Info, BackupCatalog.KeepOf(b.Parts) == KeepTarget.Standalone && i < newest))];
        IsAwaitingBackup = backups.Skip(Math.Max(0, newest)).Any(static b => BackupCatalog.KeepOf(b.Parts) == KeepTarget.Standalone);
        _highest = backups.Select(static b => b.Info.TimelineId).DefaultIfEmpty().Max();
    }

    /// <summary>Whether a backup that is kept by itself needs later WAL until there is another.</summary>
    public bool IsAwaitingBackup { get; }

    /// <summary>Why no backup needs a segment; null when one does, or may.</summary>
    public string? WhyUnneeded(SegmentName name)
    {
        // The next backup takes over from what there is.
        if (_backups.Count == 0 || IsAwaiting(name))
        {
            return null;
        }
        var needs = NeedsOf(name.Timeline);
        var number = name.Number(_size);
        return needs switch
        {
            _ when number >= needs.From || needs.Ranges.Exists(r => number >= r.First && number <= r.Last) => null,
            { Ranges.Count: > 0 } => "only backups that are kept by themselves are as old",
            { From: ulong.MaxValue } => $"no backup leads to timeline {name.Timeline}",
            _ => "it ends before the oldest backup begins",
        };
    }

    /// <summary>Whether a segment stays for no backup that there is, but for the next: its timeline is one that no backup has got to yet.</summary>
    public bool IsAwaiting(SegmentName name) => name.Timeline > _highest && NeedsOf(name.Timeline) is { From: ulong.MaxValue };

    Needs NeedsOf(TimelineId timeline)
    {
        if (!_timelines.TryGetValue(timeline, out var needs))
        {
            _timelines.Add(timeline, needs = new());
            foreach (var (info, isStandalone) in _backups)
            {
                Add(needs, timeline, info, isStandalone);
            }
        }
        return needs;
    }

    void Add(Needs needs, TimelineId timeline, BackupInfo info, bool isStandalone)
    {
        var (own, begin, end) = (info.TimelineId, info.BeginLsn, info.EndLsn);
        var (first, last) = (_size.NumberOf(begin), _size.NumberOf(new(end.Value - 1)));
        // The segment in which a timeline was left may be complete on the next one only. What is not known may be so.
        if (timeline == own || Knows(timeline) is not { } history || history.Contains(own, end) || (timeline < own && Knows(own) is null))
        {
            if (isStandalone)
            {
                needs.Ranges.Add((first, last));
            }
            else
            {
                needs.From = Math.Min(needs.From, first);
            }
        }
        // And while it is not, replay begins in the parent's.
        else if (Knows(own) is { } ownHistory && ownHistory.Ancestors.FirstOrDefault(a => a.Timeline == timeline) is { Timeline.Value: > 0 } ancestor && _size.NumberOf(ancestor.End) >= first)
        {
            needs.Ranges.Add((first, _size.NumberOf(ancestor.End)));
        }
    }

    TimelineHistory? Knows(TimelineId timeline) =>
        _histories.TryGetValue(timeline, out var history) ? history : timeline == TimelineId.First ? TimelineHistory.Initial(timeline) : null;

    sealed class Needs
    {
        /// <summary>The first segment from which on all are needed; the greatest number for none.</summary>
        public ulong From { get; set; } = ulong.MaxValue;

        public List<(ulong First, ulong Last)> Ranges { get; } = [];
    }
}
