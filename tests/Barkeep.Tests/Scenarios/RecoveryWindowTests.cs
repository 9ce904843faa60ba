using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Targets;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What can be restored of a cluster with three timelines, whole and with holes, compared with what is known of its life.</summary>
public sealed class RecoveryWindowTests(ThreeTimelines history) : IClassFixture<ThreeTimelines>
{
    [Fact]
    public async Task Each_timeline_that_went_on_has_a_window_to_its_last_commit()
    {
        var (lineage, spool, windows) = await ListAsync(history.Locations.Home);

        Assert.Empty(windows.Notes);
        Assert.Equal([1u, 2, 3], windows.All.Select(static w => w.Timeline.Value));
        foreach (var window in windows.All)
        {
            var timeline = window.Timeline.Value;
            BackupId[] backups = timeline == 1 ? [history.First, history.LastOnFirst] : [history.First, history.OnSecond];
            Assert.Equal(backups, window.Backups.Select(static b => b.Id));
            Assert.Equal(window.Backups[0].Info!.EndLsn, window.From);
            var last = history.Histories[timeline][^1];
            Assert.True(window.LastCommit is { } commit && commit.Xid >= last.Xid && commit.Position >= last.Commit, $"{timeline}: {window.LastCommit}, {last}");
            Assert.True(window.To > last.Commit);
            Assert.Null(window.EndedBy);

            var points = await new MomentLookup(lineage, spool, window).ListPointsAsync(default);
            Assert.Equal(history.Marks.ContainsKey(timeline) ? [ThreeTimelines.Mark] : [], points.RestorePoints.Select(static p => p.Name).Where(static n => n == ThreeTimelines.Mark));
            // Both promotions, as far as they lie on the way.
            Assert.Equal(Enumerable.Range(2, 2).Where(t => t <= timeline).Select(static t => new TimelineId((uint)t)), points.Switches.Select(static s => s.To).Distinct());
            Assert.Equal(0, points.UnreadSegments);
        }
    }

    [Fact]
    public async Task What_was_committed_in_an_interval_is_found_whether_it_was_noted_or_not()
    {
        var home = RigRoot.NewDirectory("windows");
        try
        {
            await CopyAsync(home);
            var rows = history.Histories[3];
            var (from, to) = (TimestampTz.From(rows[^5].Time), TimestampTz.From(rows[^2].Time));
            var seen = new List<string>();
            foreach (var noted in (bool[])[true, false])
            {
                if (!noted)
                {
                    foreach (var directory in Directory.EnumerateDirectories(home, "moments", SearchOption.AllDirectories).ToList())
                    {
                        Directory.Delete(directory, recursive: true);
                    }
                }
                var (lineage, spool, windows) = await ListAsync(home);
                var moments = await new MomentLookup(lineage, spool, windows.All[^1]).ListAsync(from, to, default);
                Assert.NotEmpty(moments.Commits);
                Assert.All(moments.Commits, c => Assert.True(c.Time >= from && c.Time <= to));
                seen.Add(string.Join('\n', moments.Commits));
                Assert.Equal(windows.All[^1].LastCommit, (await ListAsync(history.Locations.Home)).Windows.All[^1].LastCommit);
            }
            Assert.Equal(seen[0], seen[1]);
        }
        finally
        {
            RigRoot.Remove(home);
        }
    }

    [Fact]
    public async Task A_missing_segment_ends_a_window_and_says_so()
    {
        var home = RigRoot.NewDirectory("windows");
        try
        {
            await CopyAsync(home);
            var (lineage, _, whole) = await ListAsync(home);
            var first = whole.All[0];
            // One that lies behind the first backup and before the last one of the first timeline.
            var size = lineage.Identity.SegmentSize;
            var hole = first.Route.Parts.Select(static p => p.Segment.Name).First(n => n.Start(size) > first.From && n.End(size) < first.Backups[1].Info!.BeginLsn);
            foreach (var file in Directory.EnumerateFiles(home, hole.ToString(), SearchOption.AllDirectories).ToList())
            {
                File.Delete(file);
            }

            var (_, _, windows) = await ListAsync(home);
            // Up to the hole all three are the same: it is told of the last one.
            var ofThird = windows.All.Where(static w => w.Timeline.Value == 3).ToList();
            Assert.Equal(2, ofThird.Count);
            Assert.Equal((hole.Start(size), $"WAL segment {hole} is missing"), (ofThird[0].Route.ReceivedEnd, ofThird[0].EndedBy));
            Assert.True(ofThird[0].To <= hole.Start(size) && (ofThird[0].LastCommit is null || ofThird[0].LastCommit!.Value.Position < hole.Start(size)));
            Assert.Equal((history.OnSecond, whole.All[2].To, null), (Assert.Single(ofThird[1].Backups).Id, ofThird[1].To, ofThird[1].EndedBy));
            var ofFirst = Assert.Single(windows.All, static w => w.Timeline.Value == 1);
            Assert.Equal((history.LastOnFirst, first.To, null), (Assert.Single(ofFirst.Backups).Id, ofFirst.To, ofFirst.EndedBy));
        }
        finally
        {
            RigRoot.Remove(home);
        }
    }

    [Fact]
    public async Task The_command_tells_the_timelines_apart()
    {
        await using var rig = new BarkeepRig();
        rig.Environment["BARKEEP_HOME"] = history.Locations.Home;
        rig.Environment["TZ"] = "UTC";
        var text = (await rig.RunAsync("barman", "targets", HandMadeBackup.Server)).Checked();
        Assert.Equal(["  Timeline 3", "  Timeline 2", "  Timeline 1"], text.OutputLines.Where(static l => l.StartsWith("  Timeline", StringComparison.Ordinal)).Select(static l => l[..12]));
        Assert.Contains(text.OutputLines, static l => l.StartsWith("  Timeline 3, which left timeline 2 at ", StringComparison.Ordinal));
        Assert.Equal(3, text.OutputLines.Count(static l => l.Contains(", last commit: transaction ", StringComparison.Ordinal)));
        Assert.DoesNotContain(text.OutputLines, static l => l.Contains("GAP", StringComparison.Ordinal));
    }

    async Task CopyAsync(string home) => (await Command.RunAsync("cp", "--recursive", $"{history.Locations.Home}/.", home)).Checked();

    async Task<(Lineage Lineage, WalSpool Spool, RecoveryWindows Windows)> ListAsync(string home)
    {
        var locations = history.Locations with { Home = home };
        var server = Barkeep.Configuration.ServerName.Parse(HandMadeBackup.Server);
        var lineage = (await Repository.OpenAsync(locations.RepositoryDirectory(server), default)).Current!;
        var spool = WalSpool.Of(lineage, server, locations);
        var received = await ReceivedWal.ListAsync(lineage.Wal, spool, default);
        return (lineage, spool, await RecoveryWindows.ListAsync(lineage, spool, received, await lineage.Backups.ListAsync(default), default));
    }
}
