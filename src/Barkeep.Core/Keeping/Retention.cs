using System.Globalization;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>
/// Judges which backups are to stay (docs/operations.md, "Which backups stay"). Pure: no clock, nothing but the backups themselves, so that only a
/// new backup lets an old one go.
/// </summary>
public sealed class Retention
{
    readonly RetentionPolicy _policy;
    readonly int _minimum;
    readonly List<Candidate> _all = [];
    readonly List<Candidate> _usable;
    readonly IReadOnlyList<RetentionLineage> _lineages;
    bool _isFilled;

    Retention(RetentionPolicy policy, int minimum, IReadOnlyList<RetentionLineage> lineages)
    {
        (_policy, _minimum, _lineages) = (policy, minimum, lineages);
        foreach (var lineage in lineages)
        {
            _all.AddRange(lineage.Backups.Select(b => new Candidate(lineage, b)));
        }
        // What is kept by itself is no link in any chain: the WAL after it may be gone.
        _usable = [.. _all.Where(static c => c.IsUsable && c.Record.Keep != KeepTarget.Standalone)];
        // Backwards: those of a former cluster are as much older than the oldest of the next.
        var age = TimeSpan.Zero;
        foreach (var lineage in lineages.Reverse())
        {
            age = Reckon([.. _usable.Where(c => c.Lineage == lineage)], age);
        }
    }

    /// <summary>Judges each backup.</summary>
    /// <param name="minimum">So many usable backups of the present cluster stay in any case.</param>
    /// <param name="lineages">The server's first cluster first.</param>
    public static IReadOnlyList<RetentionVerdict> Judge(RetentionPolicy policy, int minimum, IReadOnlyList<RetentionLineage> lineages)
    {
        var retention = new Retention(policy, minimum, lineages);
        if (!policy.IsNone)
        {
            retention.Want();
            retention.Spare();
        }
        // The reason of a failure stays to be read until there is as much as the policy wants.
        var oldestWanted = retention._isFilled ? retention._all.FindIndex(static c => c.Wanted is not null) : 0;
        return [.. retention._all.Select((c, i) => retention.Conclude(c, i < oldestWanted))];
    }

    // What is kept by the user may be any age, and tells nothing of how often backups are taken: it counts as old as the next.
    static TimeSpan Reckon(List<Candidate> candidates, TimeSpan age)
    {
        var ages = BackupAges.Reckon([.. candidates.Where(static c => c.Record.Keep is null).Select(static c => c.Record.Info!.EndTime)]);
        var at = ages.Length;
        for (var i = candidates.Count - 1; i >= 0; i--)
        {
            at -= candidates[i].Record.Keep is null ? 1 : 0;
            candidates[i].Age = age + (at < ages.Length ? ages[at] : TimeSpan.Zero);
        }
        return candidates.Count == 0 ? age : candidates[0].Age;
    }

    void Want()
    {
        if (_policy.Redundancy is { } redundancy)
        {
            foreach (var candidate in _usable.TakeLast(redundancy))
            {
                candidate.Want(string.Create(CultureInfo.InvariantCulture, $"it is one of the {redundancy} newest"));
            }
            _isFilled = _usable.Count >= redundancy;
        }
        if (_policy.Window is { } window)
        {
            foreach (var candidate in _usable.Where(c => c.Age < window))
            {
                candidate.Want("it lies within the recovery window");
            }
            var before = _usable.FindLast(c => c.Age >= window);
            before?.Want("the recovery window begins after it");
            _isFilled = before is not null;
        }
        if (_policy.Periods.Count > 0)
        {
            // Each of them: a longer one may be filled before a shorter one is.
            _isFilled = _policy.Periods.Select(p => WantNewestOfEach(p.Period, p.Count) == p.Count).ToList().TrueForAll(static filled => filled);
        }
        foreach (var lineage in _lineages)
        {
            WantWhatBranchesNeed(lineage);
            _usable.FindLast(c => c.Lineage == lineage)?.Want(lineage == _lineages[^1] ? "it is the newest that can be restored" : "it is the last of a former cluster");
        }
    }

    // Only periods that have a backup count, so that time alone lets nothing go. Days, weeks and months are those of the clock on the wall when
    // the backup began; hours are of UTC, where none comes twice.
    int WantNewestOfEach(RetentionPeriod period, int count)
    {
        var seen = new HashSet<long>();
        foreach (var candidate in _usable.AsEnumerable().Reverse())
        {
            var begin = candidate.Record.Info!.BeginTime;
            var number = NumberOf(period, begin);
            if (seen.Count < count && seen.Add(number))
            {
                candidate.Want($"it is the newest of its {period switch { RetentionPeriod.Hourly => "hour", RetentionPeriod.Daily => "day", RetentionPeriod.Weekly => "week", _ => "month" }}");
            }
        }
        return seen.Count;
    }

    static long NumberOf(RetentionPeriod period, DateTimeOffset time) => period switch
    {
        RetentionPeriod.Hourly => time.UtcTicks / TimeSpan.TicksPerHour,
        RetentionPeriod.Daily => time.DateTime.Ticks / TimeSpan.TicksPerDay,
        // The first day of all, 0001-01-01, was a Monday.
        RetentionPeriod.Weekly => time.DateTime.Ticks / (7 * TimeSpan.TicksPerDay),
        _ => (time.Year * 12L) + time.Month,
    };

    // What was written on a timeline before its own first backup can only be restored from a backup on one of its ancestors. That one
    // matters while the timeline's beginning may lie in the window, and while the timeline has no backup of its own.
    void WantWhatBranchesNeed(RetentionLineage lineage)
    {
        foreach (var history in lineage.Histories.Values.Where(static h => h.Ancestors.Count > 0))
        {
            // Timelines ascend in time: a backup on this or a later one was taken after it began.
            var later = _usable.Find(c => c.Lineage == lineage && c.Timeline >= history.Timeline);
            if (later is null || later.Age < (_policy.Window ?? TimeSpan.Zero))
            {
                _usable.FindLast(c => c.Lineage == lineage && c.Timeline != history.Timeline && history.Contains(c.Timeline, c.End))
                    ?.Want($"timeline {history.Timeline} branches off after it");
            }
        }
    }

    // What the policy would let go, and is not let go for all that.
    void Spare()
    {
        var present = _all.Where(c => c.IsUsable && c.Lineage == _lineages[^1]).ToList();
        foreach (var candidate in present.TakeLast(Math.Max(1, _minimum)))
        {
            candidate.Spare(string.Create(CultureInfo.InvariantCulture, $"minimum_redundancy is {_minimum}"));
        }
        // The good ones are what the pages may have to be repaired from.
        if (present.Count > 0 && present[^1] is { Record.Info.DamagedPageCount: > 0 } newest)
        {
            foreach (var candidate in _all)
            {
                candidate.Spare($"the newest backup, {newest.Record.Id}, has damaged pages: nothing goes before there is a sound one");
            }
        }
        // Those that it wants may be those that are hurt.
        foreach (var candidate in _all.Where(static c => c.Lineage.DamagedPacks.Count > 0))
        {
            candidate.Spare($"pack {candidate.Lineage.DamagedPacks.First()} is damaged: nothing goes before the backups that need it have been deleted");
        }
    }

    /// <param name="isOutlived">Whether all that the policy wants is newer.</param>
    RetentionVerdict Conclude(Candidate candidate, bool isOutlived) => candidate switch
    {
        { Record.Keep: KeepTarget.Full } => candidate.Is(RetentionStatus.KeptFull, "it is kept until it is released, with all WAL from it on"),
        { Record.Keep: KeepTarget.Standalone } => candidate.Is(RetentionStatus.KeptStandalone, "it is kept until it is released"),
        _ when _policy.IsNone => candidate.Is(RetentionStatus.None, "retention_policy is none"),
        { Wanted: { } reason } => candidate.Is(RetentionStatus.Valid, reason),
        // A backup that failed, or whose WAL never came, goes with those around it. One that runs, or cannot be read, is not for us to judge.
        { IsUsable: false } when !isOutlived || candidate.Record.State is BackupState.Started or BackupState.Damaged => candidate.Is(RetentionStatus.None, "it cannot be restored"),
        { Spared: { } reason } => candidate.Is(RetentionStatus.PotentiallyObsolete, reason),
        { IsUsable: false } => candidate.Is(RetentionStatus.Obsolete, "it cannot be restored, and all that the policy wants is newer"),
        _ => candidate.Is(RetentionStatus.Obsolete, $"{_policy} does not want it"),
    };

    sealed class Candidate(RetentionLineage lineage, BackupRecord record)
    {
        public RetentionLineage Lineage { get; } = lineage;

        public BackupRecord Record { get; } = record;

        public bool IsUsable { get; } = record is { State: BackupState.Done, Info: not null };

        public TimelineId Timeline { get; } = record.Info?.TimelineId ?? default;

        public Lsn End { get; } = record.Info?.EndLsn ?? Lsn.Invalid;

        public TimeSpan Age { get; set; }

        public string? Wanted { get; private set; }

        public string? Spared { get; private set; }

        // The first reason that is found is the one that is told.
        public void Want(string reason) => Wanted ??= reason;

        public void Spare(string reason) => Spared ??= reason;

        public RetentionVerdict Is(RetentionStatus status, string reason) => new(Lineage.Number, Record, status, reason);
    }
}
