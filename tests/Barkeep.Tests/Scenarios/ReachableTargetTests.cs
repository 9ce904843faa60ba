using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Targets on a history of three timelines: what can be reached is found where the servers themselves say, and what cannot is refused with what can.</summary>
public sealed class ReachableTargetTests(ThreeTimelines history) : IClassFixture<ThreeTimelines>
{
    const int Targets = 30;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task R9_thirty_targets_on_three_timelines_are_found_where_the_servers_say_whatever_is_noted_of_the_WAL(int notedOfEveryTwo)
    {
        // Nothing, every other segment, all.
        using var copy = new Scratch("copy");
        var locations = await CopyAsync(copy.Path);
        var noted = await NoteAsync(locations, notedOfEveryTwo);
        Assert.Equal(notedOfEveryTwo == 0, noted == 0);

        var random = new Random(9);
        var refused = 0;
        using var scratch = new Scratch("restored");
        for (var i = 0; i < Targets; i++)
        {
            var timeline = (uint)random.Next(1, 4);
            var rows = history.Histories[timeline];
            var (target, count) = Pick(random, rows, history.Histories[(uint)random.Next(1, 4)]);
            var options = history.Into(scratch.Path) with { Locations = locations, Until = target, SuitsTarget = true, Timeline = new(new(timeline)) };
            var what = $"{i}: {target}, inclusive {target.IsInclusive}, on timeline {timeline}, after {count} rows";
            if (count is not { } expected)
            {
                var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options, default));
                Assert.True(refusal.Kind == ErrorKind.TargetUnreachable, $"{what}: {refusal.Line}");
                refused++;
                continue;
            }
            var plan = await RestoreJob.PlanAsync(options, default);
            Assert.True(timeline == plan.Route.History.Timeline.Value, what);
            Assert.True(plan.Info.EndLsn <= plan.Reached, what);
            Assert.True(expected == 0 || rows[expected - 1].Commit < plan.Reached, $"{what}: {plan}");
            Assert.True(expected == rows.Count || rows[expected].Commit >= plan.Reached, $"{what}: {plan}");
        }
        Assert.InRange(refused, 1, Targets / 3);
    }

    [Theory]
    [InlineData(1, "lsn")]
    [InlineData(1, "name")]
    [InlineData(2, "xid")]
    [InlineData(3, "time")]
    [InlineData(3, "name")]
    public async Task R9_on_each_timeline_the_rows_are_those_of_its_history(uint timeline, string kind)
    {
        var rows = history.Histories[timeline];
        var middle = rows[rows.Count - 3];
        var (target, expected) = kind switch
        {
            "lsn" => (RecoveryTarget.AtLsn(middle.Commit), rows.Count - 2),
            "xid" => (RecoveryTarget.AtXid(middle.Xid) with { IsInclusive = false }, rows.Count - 3),
            "time" => (RecoveryTarget.AtTime(middle.Time), rows.Count - 2),
            _ => (RecoveryTarget.AtName(ThreeTimelines.Mark), history.Marks[timeline]),
        };
        using var scratch = new Scratch("restored");
        await RestoreJob.RunAsync(history.Into(scratch.Path) with { Until = target, SuitsTarget = true, Timeline = new(new(timeline)), Action = TargetAction.Promote }, null, default);
        await AssertRowsAsync(scratch.Path, rows.Take(expected));
    }

    [Fact]
    public async Task R9_latest_is_the_timeline_that_PostgreSQL_finds_itself()
    {
        foreach (var backup in (BackupId[])[history.First, history.OnSecond])
        {
            using var scratch = new Scratch("restored");
            var result = await RestoreJob.RunAsync(history.Into(scratch.Path) with { Backup = backup }, null, default);
            Assert.Equal(new TimelineId(3), result.Timeline);
            await File.AppendAllTextAsync(Path.Combine(scratch.Path, "postgresql.auto.conf"), "recovery_target_timeline = 'latest'\n");
            await AssertRowsAsync(scratch.Path, history.Histories[3]);
        }
    }

    [Fact]
    public async Task R9_the_newest_state_is_that_of_the_timeline_on_which_the_server_went_on()
    {
        // The newest backup is of a branch that was left before.
        using var scratch = new Scratch("restored");
        var result = await RestoreJob.RunAsync(history.Into(scratch.Path), null, default);
        Assert.Equal((history.OnSecond, new TimelineId(3)), (result.Plan.Backup, result.Timeline));
        Assert.Contains(result.Warnings, w => w.Contains($"backup {history.LastOnFirst} is newer, and is passed over", StringComparison.Ordinal));
        // What went on where this backup's history left it is told; what was left before the backup is none of its business.
        Assert.Single(result.Warnings, static w => w.StartsWith("timeline 2 went on", StringComparison.Ordinal));
        Assert.DoesNotContain(result.Warnings, static w => w.StartsWith("timeline 1 went on", StringComparison.Ordinal));
        await AssertRowsAsync(scratch.Path, history.Histories[3]);
    }

    [Fact]
    public async Task R9_without_the_receivers_word_the_newest_backups_timeline_is_restored_and_that_is_said_aloud()
    {
        using var copy = new Scratch("copy");
        var options = history.Into(Path.Combine(copy.Path, "restored")) with { Locations = await CopyAsync(copy.Path) };
        File.Delete(options.Locations.ReceiverStateFile(options.Server));
        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal((history.LastOnFirst, new TimelineId(1)), (plan.Backup, plan.Route.History.Timeline));
        var said = Assert.Single(plan.Warnings);
        Assert.StartsWith("WHICH TIMELINE THE SERVER IS ON IS NOT KNOWN", said, StringComparison.Ordinal);
        Assert.Contains($"the newest backup, {history.LastOnFirst}, leads to it and not to timeline 3", said, StringComparison.Ordinal);
        Assert.Equal(history.OnSecond, (await RestoreJob.PlanAsync(options with { Timeline = new(new(3)) }, default)).Backup);
    }

    [Fact]
    public async Task R9_where_no_backup_leads_to_the_present_timeline_one_that_was_left_is_restored_and_that_is_said_aloud()
    {
        using var copy = new Scratch("copy");
        var options = history.Into(Path.Combine(copy.Path, "restored")) with { Locations = await CopyAsync(copy.Path) };
        var backups = (await Repository.OpenAsync(options.Locations.RepositoryDirectory(options.Server), default)).Current!.Backups;
        await backups.RemoveAsync(history.OnSecond, default);
        var manifest = Directory.EnumerateFiles(copy.Path, "manifest", SearchOption.AllDirectories).Single(f => f.Contains($"/{history.First}/", StringComparison.Ordinal));
        await File.WriteAllTextAsync(manifest, "rotten");
        var rotten = await RefusedAsync(ErrorKind.NoUsableBackup, options with { Timeline = new(new(3)) });
        Assert.Contains($"backup {history.First} is passed over", rotten.Message, StringComparison.Ordinal);
        await backups.RemoveAsync(history.First, default);
        var none = await RefusedAsync(ErrorKind.TargetUnreachable, options with { Timeline = new(new(3)) });
        Assert.StartsWith("no backup of server montagu leads to timeline 3", none.Message, StringComparison.Ordinal);

        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal((history.LastOnFirst, new TimelineId(1)), (plan.Backup, plan.Route.History.Timeline));
        Assert.Contains(plan.Warnings, static w => w.StartsWith("THE PRESENT TIMELINE IS NOT RESTORED: no backup leads to timeline 3", StringComparison.Ordinal));

        // Who names that timeline knows.
        Assert.Empty((await RestoreJob.PlanAsync(options with { Timeline = new(new(1)) }, default)).Warnings);
    }

    [Fact]
    public async Task R9_a_target_that_two_timelines_have_is_that_of_the_one_on_which_the_server_went_on()
    {
        using var scratch = new Scratch("restored");
        var options = history.Into(scratch.Path) with { Until = RecoveryTarget.AtName(ThreeTimelines.Mark) };
        foreach (var suits in (bool[])[true, false])
        {
            var plan = await RestoreJob.PlanAsync(options with { SuitsTarget = suits }, default);
            Assert.Equal((history.OnSecond, new TimelineId(3)), (plan.Backup, plan.Route.History.Timeline));
            Assert.Contains(plan.Warnings, w => w.StartsWith($"backup {history.LastOnFirst} is newer, and is passed over: it is on timeline 1, which the server has left", StringComparison.Ordinal));
        }
        Assert.Equal(history.LastOnFirst, (await RestoreJob.PlanAsync(options with { SuitsTarget = true, Timeline = new(TimelineId.First) }, default)).Backup);
    }

    [Fact]
    public async Task R9_where_only_a_branch_that_was_left_has_the_target_auto_restores_it_and_says_so_aloud_and_latest_names_its_backup()
    {
        // The third timeline ends before its restore point.
        using var copy = new Scratch("copy");
        var options = history.Into(Path.Combine(copy.Path, "restored")) with { Locations = await CopyAsync(copy.Path), Until = RecoveryTarget.AtName(ThreeTimelines.Mark) };
        var segments = Directory.EnumerateFiles(copy.Path, "00000003*", SearchOption.AllDirectories).Where(static f => Path.GetFileName(f).Length >= 24).OrderBy(static f => Path.GetFileName(f), StringComparer.Ordinal).ToList();
        segments.Where(f => string.CompareOrdinal(Path.GetFileName(f), Path.GetFileName(segments[0])) > 0).ToList().ForEach(File.Delete);

        var plan = await RestoreJob.PlanAsync(options with { SuitsTarget = true }, default);
        Assert.Equal((history.LastOnFirst, new TimelineId(1)), (plan.Backup, plan.Route.History.Timeline));
        Assert.Contains(plan.Warnings, static w => w.StartsWith("THE PRESENT TIMELINE IS NOT RESTORED: the target is not reached on timeline 3 (there is no restore point 'mark'", StringComparison.Ordinal));
        var refusal = await RefusedAsync(ErrorKind.TargetUnreachable, options);
        Assert.Contains($"backup {history.LastOnFirst} suits, on timeline 1, which the server has left", refusal.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R9_where_PostgreSQL_would_refuse_the_latest_timeline_the_backups_own_is_followed()
    {
        // This backup's timeline was left before it was taken: the later ones are no children of it.
        using var scratch = new Scratch("restored");
        var result = await RestoreJob.RunAsync(history.Into(scratch.Path) with { Backup = history.LastOnFirst }, null, default);
        Assert.Equal(new TimelineId(1), result.Timeline);
        await AssertRowsAsync(scratch.Path, history.Histories[1]);
    }

    [Fact]
    public async Task R9_current_is_the_backups_own_timeline()
    {
        using var scratch = new Scratch("restored");
        foreach (var (backup, timeline) in new[] { (history.First, 1U), (history.OnSecond, 2U), (history.LastOnFirst, 1U) })
        {
            var plan = await RestoreJob.PlanAsync(history.Into(scratch.Path) with { Backup = backup, Timeline = TimelineChoice.Current }, default);
            Assert.Equal(new TimelineId(timeline), plan.Route.History.Timeline);
        }
    }

    [Fact]
    public async Task R9_a_timeline_that_does_not_hold_the_backup_is_refused()
    {
        var own = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { Backup = history.OnSecond, Timeline = new(new(1)) });
        Assert.Contains("not in the history of timeline 1", own.Message, StringComparison.Ordinal);
        Assert.Equal("it leads to timelines 2 and 3", own.Hint);
        var unknown = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { Backup = history.First, Timeline = new(new(7)) });
        Assert.Contains("of which nothing was received", unknown.Message, StringComparison.Ordinal);
        Assert.Equal("it leads to timelines 1, 2 and 3", unknown.Hint);
        var none = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { Timeline = new(new(7)) });
        Assert.Contains("no backup of server montagu leads to timeline 7, of which nothing was received", none.Message, StringComparison.Ordinal);
        Assert.Contains("timelines 1, 2 and 3", none.Hint, StringComparison.Ordinal);

        // One that does hold it is taken instead, and the word on the others says it once.
        using var scratch = new Scratch("restored");
        var plan = await RestoreJob.PlanAsync(history.Into(scratch.Path) with { Timeline = new(new(2)) }, default);
        Assert.Equal(history.OnSecond, plan.Backup);
        Assert.Contains(plan.Warnings, w => w.StartsWith($"backup {history.LastOnFirst} is passed over: it is not in the history of timeline 2: it was taken on timeline 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task R9_a_target_that_only_another_timeline_has_is_refused_with_that_timeline()
    {
        var options = history.Into("/") with { Until = RecoveryTarget.AtName(ThreeTimelines.Left), SuitsTarget = true };
        var refusal = await RefusedAsync(ErrorKind.TargetUnreachable, options);
        Assert.Contains("--target-tli 2", refusal.Hint, StringComparison.Ordinal);
        using var scratch = new Scratch("restored");
        await RestoreJob.PlanAsync(options with { Target = scratch.Path, Timeline = new(new(2)) }, default);
    }

    [Fact]
    public async Task R9_a_time_before_the_backup_is_refused_and_the_one_that_suits_is_named()
    {
        var early = history.Histories[2][0].Time;
        var refusal = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { Backup = history.OnSecond, Until = RecoveryTarget.AtTime(early) });
        Assert.Contains(history.OnSecond.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.Contains(history.First.ToString(), refusal.Hint, StringComparison.Ordinal);

        // Before all of them there is nothing to name.
        var none = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { SuitsTarget = true, Until = RecoveryTarget.AtTime(early - TimeSpan.FromDays(1)) });
        Assert.Contains($"before backup {history.First}", none.Message, StringComparison.Ordinal);
        Assert.Contains("the earliest", none.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R9_what_no_backup_reaches_is_refused_with_all_that_was_looked_at()
    {
        foreach (var target in (RecoveryTarget[])[RecoveryTarget.AtName("nosuch"), RecoveryTarget.AtXid(3)])
        {
            var refusal = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { SuitsTarget = true, Until = target });
            var first = Assert.Single((await (await history.LineageAsync()).Backups.ListAsync(default)), b => b.Id == history.First).Info!;
            Assert.Contains($"in the WAL received from {first.BeginLsn} to ", refusal.Message, StringComparison.Ordinal);
        }
        var before = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { SuitsTarget = true, Until = RecoveryTarget.AtLsn(new(1)) });
        Assert.StartsWith($"LSN 0/1 lies before backup {history.First} is consistent, at ", before.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R9_a_time_after_the_last_commit_is_refused_with_that_commits_time()
    {
        var last = history.Histories[3][^1];
        var refusal = await RefusedAsync(ErrorKind.TargetUnreachable, history.Into("/") with { SuitsTarget = true, Until = RecoveryTarget.AtTime(last.Time.AddMicroseconds(1)) });
        Assert.Contains(last.Time.ToLocalTime().ToString("HH:mm:ss.FFFFFF", CultureInfo.InvariantCulture), refusal.Message, StringComparison.Ordinal);
        Assert.Contains("leave the target out", refusal.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("time")]
    [InlineData("lsn")]
    [InlineData("insert")]
    public async Task R9_the_last_commit_and_the_end_of_the_WAL_are_targets_though_PostgreSQL_sees_nothing_after_them(string kind)
    {
        using var scratch = new Scratch("restored");
        var options = history.Into(scratch.Path) with { Timeline = new(new(3)), SuitsTarget = true, Action = TargetAction.Promote };
        var end = (await RestoreJob.PlanAsync(options, default)).Reached;
        // The third timeline ends with a segment: the positions that a server gives then lie before or after the next page's header.
        var header = end.Value % PageHeader.PageSize == 0 ? PageHeader.LongSize : 0;
        var target = kind switch
        {
            "time" => RecoveryTarget.AtTime(history.Histories[3][^1].Time),
            "lsn" => RecoveryTarget.AtLsn(end),
            _ => RecoveryTarget.AtLsn(end + header),
        };
        await RestoreJob.RunAsync(options with { Until = target }, null, default);
        await AssertRowsAsync(scratch.Path, history.Histories[3]);
        await RefusedAsync(ErrorKind.TargetUnreachable, options with { Until = RecoveryTarget.AtLsn(end + header + 8) });
    }

    [Fact]
    public async Task R9_a_target_beyond_a_gap_is_refused_and_one_before_it_is_not()
    {
        // A segment in the midst of the first timeline is lost.
        var rows = history.Histories[1];
        using var copy = new Scratch("copy");
        var locations = await CopyAsync(copy.Path);
        var size = (await RestoreJob.PlanAsync(history.Into("/nowhere/at/all") with { Backup = history.First, Timeline = new(new(1)) }, default)).Route.SegmentSize;
        var lost = SegmentName.Containing(new(1), rows[3].Commit, size);
        var files = Directory.EnumerateFiles(copy.Path, $"{lost}*", SearchOption.AllDirectories).Where(static f => !f.Contains("/changes/", StringComparison.Ordinal)).ToList();
        files.ForEach(File.Delete);
        var options = history.Into("/") with { Locations = locations, Backup = history.First, Timeline = new(new(1)) };

        var refusal = await RefusedAsync(ErrorKind.WalGap, options with { Until = RecoveryTarget.AtXid(rows[^1].Xid) });
        Assert.Contains(lost.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.Contains(history.LastOnFirst.ToString(), refusal.Hint, StringComparison.Ordinal);
        var before = rows.First(r => SegmentName.Containing(new(1), r.Commit, size) < lost);
        using var scratch = new Scratch("restored");
        Assert.Equal(before.Xid, (await RestoreJob.PlanAsync(options with { Target = scratch.Path, Until = RecoveryTarget.AtXid(before.Xid) }, default)).Stop!.LastCommit!.Value.Xid);
    }

    // A target and after how many rows recovery stops at it; null when it never does.
    static (RecoveryTarget Target, int? Rows) Pick(Random random, List<CommittedRow> rows, List<CommittedRow> any)
    {
        var inclusive = random.Next(2) == 0;
        var own = random.Next(rows.Count);
        switch (random.Next(3))
        {
            case 0:
                return (RecoveryTarget.AtLsn(rows[own].Commit) with { IsInclusive = inclusive }, own + (inclusive ? 1 : 0));
            case 1:
                return (RecoveryTarget.AtXid(rows[own].Xid) with { IsInclusive = inclusive }, own + (inclusive ? 1 : 0));
            default:
                var time = any[random.Next(any.Count)].Time;
                var first = rows.FindIndex(r => inclusive ? r.Time > time : r.Time >= time);
                return (RecoveryTarget.AtTime(time) with { IsInclusive = inclusive }, first >= 0 ? first : time == rows[^1].Time ? rows.Count : null);
        }
    }

    async Task<Locations> CopyAsync(string home)
    {
        (await Command.RunAsync("cp", "--recursive", $"{history.Locations.Home}/.", home)).Checked();
        return history.Locations with { Home = home };
    }

    // As the receiver does; of every two segments, in order, the first one, both or neither.
    static async Task<int> NoteAsync(Locations locations, int ofEveryTwo)
    {
        var lineage = (await Repository.OpenAsync(locations.RepositoryDirectory(ServerName.Parse(HandMadeBackup.Server)), default)).Current!;
        var noted = 0;
        foreach (var timeline in (await lineage.Wal.ListSegmentsAsync(default)).Where(static s => !s.IsPartial).Select(static s => s.Name).GroupBy(static n => n.Timeline))
        {
            RecordWalker? walker = null;
            foreach (var (name, number) in timeline.OrderBy(n => n.Start(lineage.Identity.SegmentSize)).Select(static (n, i) => (n, i)))
            {
                var start = name.Start(lineage.Identity.SegmentSize);
                if (walker?.Position != start)
                {
                    walker = new(start, await lineage.Wal.GetHistoryAsync(name.Timeline, default), lineage.Identity.SegmentSize, lineage.Identity.SystemId);
                }
                using var content = new MemoryStream();
                await lineage.Wal.CopySegmentAsync(name, partial: false, content, default);
                var (skipped, moments) = (walker.SkippedBytes, new Moments());
                var collector = new MomentCollector(moments);
                walker.Append(content.ToArray(), ref collector);
                if (number % 2 < ofEveryTwo)
                {
                    await lineage.Wal.PutMomentsAsync(name, new(moments, moments.Bounds, walker.SkippedBytes == skipped), default);
                    noted++;
                }
            }
        }
        return noted;
    }

    static async Task<BarkeepException> RefusedAsync(ErrorKind kind, RestoreOptions options)
    {
        using var scratch = new Scratch("refused");
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options with { Target = scratch.Path }, null, default));
        Assert.True(kind == refusal.Kind, refusal.Line);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Path));
        return refusal;
    }

    async Task AssertRowsAsync(string directory, IEnumerable<CommittedRow> rows)
    {
        await using var restored = await TestCluster.OnDirectoryAsync(directory, history.Source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(RowWriter.Numbers(rows), await RowWriter.FoundAsync(restored));
        // It opens on a timeline that none of the others has.
        await restored.SqlAsync("CHECKPOINT");
        Assert.Equal(4, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
    }
}
