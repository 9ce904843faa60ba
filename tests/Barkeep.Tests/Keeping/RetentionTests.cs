using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Keeping;

/// <summary>
/// Backups are written as the day that they were taken, <c>3</c> or <c>3.5</c>, with <c>x</c> failed, <c>?</c> waiting for WAL, <c>d</c> with damaged pages, <c>!</c> kept by itself,
/// <c>+</c> kept fully, <c>@2</c> on timeline 2. Day 0 is Monday, 23 November 2026, at 01:00.
/// </summary>
public sealed class RetentionTests
{
    const int Histories = 20_000;

    static readonly DateTimeOffset Start = new(2026, 11, 23, 1, 0, 0, TimeSpan.FromHours(1));

    [Theory]
    [InlineData("REDUNDANCY 2", "0 1 2 3", "0 1")]
    [InlineData("REDUNDANCY 2", "0 1 2x 3x", "")]
    [InlineData("REDUNDANCY 2", "0 1 2 3x 4?", "0")]
    [InlineData("REDUNDANCY 2", "0x 1 2 3", "0x 1")]
    [InlineData("REDUNDANCY 2", "0x 1", "")]
    [InlineData("REDUNDANCY 1", "0+ 1! 2 3", "2")]
    [InlineData("REDUNDANCY 1", "0 1 2!", "0")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0 1 2 3 4 5", "0 1")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0 1 1.9 2.1 3 4 5", "0 1")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0x 1 2x 3? 4 5 6 7 8x", "0x 1 2x 3?")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0x 1 2", "")]
    [InlineData("RECOVERY WINDOW OF 4 DAYS", "0 1 2 1600", "")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0 1 2 3 4 5d", "")]
    [InlineData("RECOVERY WINDOW OF 3 DAYS", "0 1 2 3 4d 5", "0 1")]
    [InlineData("RECOVERY WINDOW OF 4 DAYS", "0+ 400 401 402 403 2000 2001", "400 401")]
    [InlineData("RECOVERY WINDOW OF 1 WEEKS", "0 1 2 3 4 5 6 7 8", "0")]
    [InlineData("KEEP 2 DAILY", "0 0.2 0.4 1 1.1 1.2", "0 0.2 1 1.1")]
    [InlineData("KEEP 2 DAILY", "0 9 30", "0")]
    [InlineData("KEEP 2 HOURLY", "0 0.01 0.02 0.05 0.06", "0 0.01 0.05")]
    [InlineData("KEEP 2 HOURLY 2 DAILY", "0 0.4 1 1.2 1.4", "0 1")]
    [InlineData("KEEP 2 WEEKLY", "5 6 7 8 13 14", "5 6 7 8")]
    [InlineData("KEEP 2 MONTHLY", "0 5 7 8 30 38 39", "0 5 7 8 30")]
    [InlineData("KEEP 1 DAILY", "0 1x 2? 3x", "")]
    [InlineData("KEEP 3 DAILY 1 MONTHLY", "0x 1 2", "")]
    [InlineData("KEEP 3 DAILY 1 MONTHLY", "0x 1 2 3", "0x")]
    [InlineData("none", "0 1 2x 3", "")]
    public void What_goes_is_what_the_policy_does_not_want(string policy, string backups, string obsolete) =>
        Assert.Equal(obsolete, Obsolete(policy, 0, [], backups));

    [Theory]
    [InlineData(1, "0 1 2 3", "0 1 2")]
    [InlineData(3, "0 1 2 3", "0")]
    [InlineData(3, "0 1! 2 3", "0")]
    [InlineData(9, "0 1 2 3", "")]
    public void As_many_stay_as_minimum_redundancy_says(int minimum, string backups, string obsolete) =>
        Assert.Equal(obsolete, Obsolete("REDUNDANCY 1", minimum, [], backups));

    [Fact]
    public void Nothing_goes_as_long_as_a_pack_is_known_to_be_damaged()
    {
        var lineage = LineageOf(1, [], "0 1 2");
        Assert.Equal("0 1", Words(Judge("REDUNDANCY 1", 0, lineage)));
        Assert.Equal("", Words(Judge("REDUNDANCY 1", 0, lineage with { DamagedPacks = new HashSet<string> { "20261125T010000/0001" } })));
    }

    [Fact]
    public void The_backup_stays_that_leads_to_a_timeline_without_one()
    {
        // Timeline 2 was begun by a restore of the backup of day 1, after day 3: until it has a backup of its own the present can be restored from there only.
        string[] histories = ["2: 1 0/1180000"];
        Assert.Equal("0", Obsolete("REDUNDANCY 2", 0, histories, "0 1 2 3"));
        Assert.Equal("0 1 2", Obsolete("REDUNDANCY 2", 0, histories, "0 1 2 3 4@2"));
        // What was written on it before its first backup lies in the window.
        Assert.Equal("0 2", Obsolete("RECOVERY WINDOW OF 2 DAYS", 0, histories, "0 1 2 3 4@2 5@2"));
        Assert.Equal("0 1 2 3", Obsolete("RECOVERY WINDOW OF 2 DAYS", 0, histories, "0 1 2 3 4@2 5@2 6@2"));
    }

    [Fact]
    public void The_last_backup_of_a_former_cluster_stays_and_the_others_age()
    {
        var former = LineageOf(1, [], "0 1 2");
        Assert.Equal("", Words(Judge("RECOVERY WINDOW OF 2 DAYS", 0, former, LineageOf(2, [], "3 3.5"))));
        Assert.Equal("0", Words(Judge("RECOVERY WINDOW OF 2 DAYS", 0, former, LineageOf(2, [], "3 4.5"))));
        Assert.Equal("0 1 3 4", Words(Judge("RECOVERY WINDOW OF 2 DAYS", 0, former, LineageOf(2, [], "3 4 5 6 7"))));
    }

    [Fact]
    public void What_stays_says_why()
    {
        var verdicts = Judge("KEEP 1 HOURLY 1 MONTHLY", 3, LineageOf(1, [], "0! 1 2 3 4 5+"));
        Assert.Equal(
            [RetentionStatus.KeptStandalone, RetentionStatus.Obsolete, RetentionStatus.Obsolete, RetentionStatus.PotentiallyObsolete, RetentionStatus.PotentiallyObsolete, RetentionStatus.KeptFull],
            verdicts.Select(static v => v.Status));
        Assert.Contains("minimum_redundancy is 3", verdicts[3].Reason, StringComparison.Ordinal);
        Assert.Contains("KEEP 1 HOURLY", verdicts[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Hours_are_of_UTC_and_days_of_the_wall_where_the_backup_was_taken()
    {
        // The hour from 02:00 comes twice on 25 October 2026 in Berlin.
        DateTimeOffset[] times = [new(2026, 10, 25, 2, 30, 0, TimeSpan.FromHours(2)), new(2026, 10, 25, 2, 30, 0, TimeSpan.FromHours(1)), new(2026, 10, 25, 3, 30, 0, TimeSpan.FromHours(1))];
        Assert.Equal(0, CountObsolete("KEEP 3 HOURLY", times));
        // A container that has moved to another zone: what were two days stay two.
        Assert.Equal(0, CountObsolete("KEEP 2 DAILY", [new(2026, 10, 24, 23, 30, 0, TimeSpan.FromHours(2)), new(2026, 10, 25, 0, 30, 0, TimeSpan.FromHours(2))]));
        Assert.Equal(1, CountObsolete("KEEP 2 DAILY", [new(2026, 10, 24, 23, 30, 0, TimeSpan.Zero), new(2026, 10, 24, 23, 40, 0, TimeSpan.FromHours(9))]));

        static int CountObsolete(string policy, IReadOnlyList<DateTimeOffset> begins)
        {
            var backups = begins.Select(static (t, i) => RecordAt(i, "", t)).ToList();
            return Judge(policy, 0, new RetentionLineage(1, backups, new Dictionary<TimelineId, TimelineHistory>())).Count(static v => v.Status == RetentionStatus.Obsolete);
        }
    }

    [Fact]
    public void B10_whatever_happens_enough_stays_and_every_moment_of_the_window_that_could_be_restored_still_can() =>
        Gen.Select(
            Gen.OneOf(
                Gen.Int[1, 6].Select(static n => $"REDUNDANCY {n}"),
                Gen.Int[1, 9].Select(static n => $"RECOVERY WINDOW OF {n} DAYS"),
                Gen.Select(Gen.Int[1, 4], Gen.Int[1, 4], static (d, w) => $"KEEP {d} DAILY {w} WEEKLY")),
            Gen.Int[0, 4],
            Gen.Select(Gen.Int[0, 19], Gen.Int[1, 60], Gen.Int[0, 99]).Array[1, 30])
        .Sample((policy, minimum, steps) => new Life(policy, minimum).Go(steps), iter: Histories);

    [Fact]
    public void B10_a_clock_that_jumps_to_2031_costs_no_more_than_two_days() =>
        Gen.Select(Gen.Int[2, 30], Gen.Int[0, 25], Gen.Int[-60_000, 60_000], Gen.Int[0, 12], Gen.Int[0, 12]).Sample(
            (window, before, jump, during, after) =>
            {
                Assert.True(RetentionPolicy.TryParse($"RECOVERY WINDOW OF {window} DAYS", out var policy));
                var backups = new List<BackupRecord>();
                for (var i = 0; i < before + during + after; i++)
                {
                    var isWrong = i >= before && i < before + during;
                    backups.Add(RecordAt(i, "", Start.AddDays(i).AddHours(isWrong ? jump : 0)));
                    var gone = Retention.Judge(policy, 0, [new(1, backups, new Dictionary<TimelineId, TimelineHistory>())])
                        .Where(static v => v.Status == RetentionStatus.Obsolete).Select(static v => v.Backup).ToHashSet();
                    foreach (var backup in gone)
                    {
                        var age = i - (int)(backup.Info!.BeginLsn.Value >> 20);
                        Assert.True(age > window - 2, $"after {i} days one goes that is {age} days old");
                    }
                    backups.RemoveAll(gone.Contains);
                }
            },
            iter: Histories);

    static string Obsolete(string policy, int minimum, IReadOnlyList<string> histories, string backups) => Words(Judge(policy, minimum, LineageOf(1, histories, backups)));

    static string Words(IEnumerable<RetentionVerdict> verdicts) => string.Join(' ', verdicts.Where(static v => v.Status == RetentionStatus.Obsolete).Select(static v => v.Backup.Failure));

    static IReadOnlyList<RetentionVerdict> Judge(string policy, int minimum, params IReadOnlyList<RetentionLineage> lineages)
    {
        Assert.True(RetentionPolicy.TryParse(policy, out var parsed));
        return Retention.Judge(parsed, minimum, lineages);
    }

    static RetentionLineage LineageOf(int number, IReadOnlyList<string> histories, string backups) => new(
        number,
        [.. backups.Split(' ').Select(static (b, i) => RecordAt(i, b, Start.AddDays(double.Parse(b.Split('@')[0].TrimEnd('x', '?', 'd', '!', '+'), CultureInfo.InvariantCulture))))],
        histories.Select(static h => TimelineHistory.Parse(new(uint.Parse(h.AsSpan(0, 1), CultureInfo.InvariantCulture)), Encoding.ASCII.GetBytes(h[2..]))).ToDictionary(static h => h.Timeline));

    // Each a MiB of WAL after the one before. The word is kept where a failure's reason would be.
    static BackupRecord RecordAt(int number, string word, DateTimeOffset begin)
    {
        var id = BackupId.Next(new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Local).AddSeconds(number), null);
        var lsn = new Lsn((ulong)(number + 16) << 20);
        var state = word.Contains('x', StringComparison.Ordinal) ? BackupState.Failed : word.Contains('?', StringComparison.Ordinal) ? BackupState.WaitingForWals : BackupState.Done;
        var info = SmallRepository.Info(id) with
        {
            BeginTime = begin,
            EndTime = begin.AddMinutes(1),
            BeginLsnText = new Lsn((ulong)number << 20).ToString() is var text && word.Length > 0 ? lsn.ToString() : text,
            EndLsnText = (lsn + 100).ToString(),
            Timeline = word.IndexOf('@', StringComparison.Ordinal) is > 0 and var at ? uint.Parse(word.AsSpan(at + 1), CultureInfo.InvariantCulture) : 1,
            DamagedPageCount = word.Contains('d', StringComparison.Ordinal) ? 1 : 0,
        };
        return new(id, state, state == BackupState.Failed ? null : info, begin, word)
        {
            Keep = word.Contains('!', StringComparison.Ordinal) ? KeepTarget.Standalone : word.Contains('+', StringComparison.Ordinal) ? KeepTarget.Full : null,
        };
    }

    /// <summary>A server's life with an honest clock: backups of all kinds on timelines that branch, and cron after each.</summary>
    sealed class Life(string policy, int minimum)
    {
        readonly Dictionary<TimelineId, TimelineHistory> _histories = [];
        readonly List<string> _told = [$"{policy}, at least {minimum}"];
        // Moments at which something was written: where, and when.
        readonly List<(TimelineId Timeline, Lsn Lsn, DateTimeOffset Time)> _moments = [];
        List<BackupRecord> _backups = [];
        // As if none had ever gone.
        List<BackupRecord> _ever = [];
        DateTimeOffset _now = Start;
        TimelineId _timeline = TimelineId.First;
        ulong _position = 10_000;
        ulong _highest = 10_000;
        int _number;

        public void Go(IReadOnlyList<(int Kind, int Hours, int Choice)> steps)
        {
            foreach (var (kind, hours, choice) in steps)
            {
                _now += TimeSpan.FromHours(hours);
                Write();
                switch (kind)
                {
                    case 0:
                        Branch(choice);
                        break;
                    case 1 when _backups.Count > 0:
                        Keep(choice);
                        break;
                    default:
                        BackUp(kind);
                        break;
                }
                Write();
                Enforce();
            }
        }

        void Write()
        {
            _position += 1000;
            _highest = Math.Max(_highest, _position);
            _moments.Add((_timeline, new(_position), _now));
            _now += TimeSpan.FromMinutes(5);
        }

        // Back to some backup's end, or to where it was: a restore, or a promotion.
        void Branch(int choice)
        {
            var usable = _backups.Where(static b => b.State == BackupState.Done).ToList();
            var history = _histories.GetValueOrDefault(_timeline) ?? TimelineHistory.Initial(_timeline);
            var left = new Lsn(_position);
            if (usable.Count > 0 && choice % 2 == 0)
            {
                var from = usable[choice % usable.Count].Info!;
                history = _histories.GetValueOrDefault(new(from.Timeline)) ?? TimelineHistory.Initial(new(from.Timeline));
                left = from.EndLsn + 400;
            }
            var timeline = new TimelineId((uint)_histories.Count + 2);
            var lines = history.Ancestors.Append(new(history.Timeline, left)).Select(static a => $"{a.Timeline}\t{a.End}\tx\n");
            _histories[timeline] = TimelineHistory.Parse(timeline, Encoding.ASCII.GetBytes(string.Concat(lines)));
            _told.Add($"timeline {timeline} from {history.Timeline} at {left}");
            (_timeline, _position) = (timeline, left.Value + 10);
            // It began with what could be restored then.
            _ever = [.. _backups];
        }

        void Keep(int choice)
        {
            var at = choice % _backups.Count;
            if (_backups[at].Info is null)
            {
                return;
            }
            KeepTarget? target = choice % 3 == 0 ? null : choice % 3 == 1 ? KeepTarget.Full : KeepTarget.Standalone;
            _told.Add($"keep {_backups[at].Id} {target}");
            _backups[at] = _backups[at] with { Keep = target };
            // What is given up by it is given up.
            _ever = [.. _backups];
        }

        void BackUp(int kind)
        {
            var begin = new Lsn(_position);
            _position += 500;
            var backup = RecordAt(_number++, "", _now);
            backup = backup with
            {
                State = kind switch { 2 or 3 => BackupState.Failed, 4 => BackupState.WaitingForWals, _ => BackupState.Done },
                Info = kind is 2 or 3 ? null : backup.Info! with { Timeline = _timeline.Value, BeginLsnText = begin.ToString(), EndLsnText = new Lsn(_position).ToString(), DamagedPageCount = kind == 5 ? 1 : 0 },
            };
            _told.Add($"{_now:u} backup {backup.Id} {backup.State} on {_timeline} at {begin}{(kind == 5 ? " damaged" : "")}");
            _now += TimeSpan.FromMinutes(2);
            _backups.Add(backup);
            _ever.Add(backup);
        }

        void Enforce()
        {
            Assert.True(RetentionPolicy.TryParse(policy, out var parsed));
            var verdicts = Retention.Judge(parsed, minimum, [new(1, _backups, _histories)]);
            var before = _backups;
            _backups = [.. verdicts.Where(static v => v.Status != RetentionStatus.Obsolete).Select(static v => v.Backup)];
            var gone = before.Except(_backups).ToList();
            if (gone.Count > 0)
            {
                _told.Add($"gone: {string.Join(' ', gone.Select(static b => b.Id))}");
            }
            var (usable, left) = (before.Count(IsUsable), _backups.Count(IsUsable));
            Check(left >= Math.Min(Math.Max(1, minimum), usable), "too few are left");
            Check(!gone.Exists(static b => b.Keep is not null), "one goes that is kept");
            Check(usable == 0 || before.Last(IsUsable) == _backups.Last(IsUsable), "the newest that can be restored goes");
            Check(gone.TrueForAll(static b => b.State is BackupState.Done or BackupState.Failed or BackupState.WaitingForWals), "one goes that runs");
            if (parsed.Redundancy is { } count)
            {
                Check(_backups.Count(IsChained) >= Math.Min(count, before.Count(IsChained)), "fewer are left than the policy wants");
            }
            foreach (var (timeline, lsn, time) in _moments)
            {
                if ((parsed.Window is { } window && _ever.Exists(IsChained) && time >= _ever.Last(IsChained).Info!.EndTime - window) || (timeline == _timeline && lsn.Value == _position))
                {
                    Check(!Leads(_ever, timeline, lsn) || Leads(_backups, timeline, lsn), $"{time:u} at {lsn} on {timeline} cannot be restored any more");
                }
            }
        }

        static bool IsUsable(BackupRecord backup) => backup.State == BackupState.Done;

        static bool IsChained(BackupRecord backup) => IsUsable(backup) && backup.Keep != KeepTarget.Standalone;

        // The newest leads on, however it is kept.
        bool Leads(List<BackupRecord> backups, TimelineId timeline, Lsn lsn)
        {
            var newest = backups.LastOrDefault(IsUsable);
            var history = _histories.GetValueOrDefault(timeline) ?? TimelineHistory.Initial(timeline);
            return backups.Exists(b => (IsChained(b) || b == newest) && lsn >= b.Info!.EndLsn && history.Contains(new(b.Info.Timeline), b.Info.EndLsn));
        }

        void Check(bool condition, string what) => Assert.True(condition, $"{what}\n{string.Join('\n', _told)}");
    }
}
