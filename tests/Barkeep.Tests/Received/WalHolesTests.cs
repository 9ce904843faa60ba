using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>What is missing after backups of one segment each, written as their timeline and its number; segments as <see cref="WrittenSegments"/> says.</summary>
public sealed class WalHolesTests
{
    // Timeline 2 left the first one within its fifth segment, the one numbered 4.
    static readonly string[] Fork = ["2: 1 0/400100"];

    [Theory]
    [InlineData("1:2 1:3 1:4+50", "1:2", null)]
    [InlineData("1:2", "1:2", null)]
    [InlineData("", "1:2", null)]
    [InlineData("1:2 1:4", "1:2", "0/300000 to 0/400000 on timeline 1: WAL segment 000000010000000000000003 is missing")]
    [InlineData("1:2 1:3+80 1:4", "1:2", "0/300050 to 0/400000 on timeline 1: WAL segment 000000010000000000000003 is not complete")]
    [InlineData("1:2 1:3~ 1:4", "1:2", "0/300000 to 0/400000 on timeline 1: WAL segment 000000010000000000000003 is not complete")]
    [InlineData("1:2 1:6 1:9", "1:2", "0/300000 to 0/600000 on timeline 1: WAL segments 000000010000000000000003 to 000000010000000000000005 are missing")]
    [InlineData("1:3 1:4", "1:2", "0/200000 to 0/300000 on timeline 1: WAL segment 000000010000000000000002 is missing")]
    [InlineData("1:2 1:4 1:5", "1:4", null)]
    // Damaged: in the midst, at the end of all, among missing ones, and on another branch.
    [InlineData("1:2 1:3! 1:4", "1:2", "0/300000 to 0/400000 on timeline 1: WAL segment 000000010000000000000003 is damaged")]
    [InlineData("1:2 1:3 1:4!", "1:2", "0/400000 to 0/500000 on timeline 1: WAL segment 000000010000000000000004 is damaged")]
    [InlineData("1:2! 1:3", "1:2", "0/200000 to 0/300000 on timeline 1: WAL segment 000000010000000000000002 is damaged")]
    [InlineData("1:2 1:3! 1:4! 1:5", "1:2", "0/300000 to 0/500000 on timeline 1: WAL segments 000000010000000000000003 to 000000010000000000000004 are damaged")]
    [InlineData("1:2 1:4! 1:5", "1:2", "0/300000 to 0/500000 on timeline 1: WAL segments 000000010000000000000003 to 000000010000000000000004 are missing or damaged")]
    [InlineData("1:2 1:3 1:4~ 1:5! 2:4", "1:2", "0/400000 to 0/600000 on timeline 1: WAL segments 000000010000000000000004 to 000000010000000000000005 are missing or damaged")]
    [InlineData("1:2 1:3 1:4 1:5! 2:4 2:5", "2:5", null)]
    // In the segment in which it began, and after.
    [InlineData("1:2 1:3 1:4~ 2:5", "1:2", "0/400100 to 0/500000 on timeline 2: WAL segment 000000020000000000000004 is missing")]
    [InlineData("1:2 1:3 2:4 2:6", "1:2", "0/500000 to 0/600000 on timeline 2: WAL segment 000000020000000000000005 is missing")]
    // The last one before the fork: nothing of the first timeline is beyond it.
    [InlineData("1:2 2:4 2:5", "1:2", "0/300000 to 0/400000 on timeline 1: WAL segment 000000010000000000000003 is missing")]
    // What the first timeline lacks after it was left concerns its own backups only.
    [InlineData("1:2 1:3 1:4 1:6 2:4 2:5", "2:5", null)]
    [InlineData("1:2 1:3 1:4 1:6 2:4 2:5", "1:3", "0/500000 to 0/600000 on timeline 1: WAL segment 000000010000000000000005 is missing")]
    public void What_recovery_comes_to_is_named(string received, string backup, string? expected) =>
        Assert.Equal(expected, Missing(WrittenSegments.Wal(received, Fork), backup)?.ToString());

    [Theory]
    [InlineData("1:2 1:3 1:7", "1 0/400000 0/700000", "1:2", "0/400000 to 0/700000 on timeline 1: the slot was lost")]
    // Nothing has come since.
    [InlineData("1:2 1:3~", "1 0/300080 0/700000", "1:2", "0/300080 to 0/700000 on timeline 1: the slot was lost")]
    // Filled, wholly and in part.
    [InlineData("1:2 1:3 1:4 1:5", "1 0/300080 0/500000", "1:2", null)]
    [InlineData("1:2 1:3 1:4 1:7", "1 0/300080 0/700000", "1:2", "0/500000 to 0/700000 on timeline 1: the slot was lost")]
    // Of the branch that was left.
    [InlineData("1:2 1:3 1:4~ 2:4 2:5", "1 0/480000 0/700000", "2:5", null)]
    // From before the fork to beyond it.
    [InlineData("1:2 2:6", "1 0/300000 0/600000", "1:2", "0/300000 to 0/600000 on timeline 1: the slot was lost")]
    public void What_was_recorded_says_why(string received, string gap, string backup, string? expected)
    {
        var missing = Missing(WrittenSegments.Wal(received, Fork, gap), backup);
        Assert.Equal(expected, missing?.ToString());
        Assert.True(missing is null or { IsRecorded: true });
    }

    [Fact]
    public void What_is_missing_on_one_timeline_hides_nothing_that_is_on_another()
    {
        var missing = new WalHoles(WrittenSegments.Wal("1:2 1:3 1:4 1:6 2:4 2:6", Fork)).Of([Backup("1:2", 0)]).Values.Single();
        Assert.Equal(
            [
                "0/500000 to 0/600000 on timeline 2: WAL segment 000000020000000000000005 is missing",
                "0/500000 to 0/600000 on timeline 1: WAL segment 000000010000000000000005 is missing",
            ],
            missing.Select(static m => m.ToString()));
        // What lies before the fork is one, whichever way is taken.
        Assert.Single(new WalHoles(WrittenSegments.Wal("1:2 1:4 2:4", Fork)).Of([Backup("1:2", 0)]).Values.Single());
    }

    [Fact]
    public void What_is_kept_by_itself_lacks_nothing_after_its_end_until_it_is_the_newest()
    {
        var holes = new WalHoles(WrittenSegments.Wal("1:2 1:5 1:6 1:9", []));
        var (first, second) = (Backup("1:2", 0) with { Keep = KeepTarget.Standalone }, Backup("1:5", 1));
        Assert.Equal([second.Id], holes.Of([first, second]).Keys);
        Assert.Equal([first.Id], holes.Of([first]).Keys);
        // Its own WAL it needs.
        Assert.Contains(first.Id, new WalHoles(WrittenSegments.Wal("1:3 1:5 1:6", [])).Of([first, second]).Keys);
    }

    [Fact]
    public void Of_whatever_was_received_it_is_what_the_route_of_a_restore_ends_at() =>
        Gen.Select(Gen.Int[2, 12].HashSet[0, 10], Gen.Int[4, 12].HashSet[0, 8], Gen.Int[2, 12], Gen.Bool).Sample((first, second, begin, onSecond) =>
        {
            var received = WrittenSegments.Wal(string.Join(' ', first.Select(static n => $"1:{n}").Concat(second.Select(static n => $"2:{n}"))), Fork);
            var timeline = onSecond && begin > 4 ? 2u : 1u;
            var backup = Backup($"{timeline}:{begin}", 0);
            var expected = received.Histories.Values.Append(TimelineHistory.Initial(new(1))).OrderByDescending(static h => h.Timeline)
                .Select(h => WalRoute.Choose(received, new(timeline), backup.Info!.BeginLsn, backup.Info.EndLsn, h.Timeline)?.FindMissing(received)).OfType<MissingWal>().Distinct();
            Assert.Equal(expected, new WalHoles(received).Of([backup]).GetValueOrDefault(backup.Id, []));
        });

    [Fact]
    public void Timelines_to_whose_beginning_the_WAL_leads_are_reachable()
    {
        string[] histories = ["2: 1 0/400100", "3: 1 0/400100, 2 0/600000", "4: 1 0/200010"];
        Assert.Equal([2u, 3], Reachable("1:2 1:3 1:4~ 2:4 2:5 3:6"));
        Assert.Equal([2u], Reachable("1:2 1:3 1:4~ 3:6"));
        Assert.Equal([], Reachable("1:2 2:4 2:5 3:6"));

        IEnumerable<uint> Reachable(string received) =>
            WalRoute.ReachableFrom(WrittenSegments.Wal(received, histories), new(1), new(0x200028), new(0x200138)).Select(static t => t.Value);
    }

    static MissingWal? Missing(ReceivedWal received, string backup) => new WalHoles(received).Of([Backup(backup, 0)]).Values.SingleOrDefault()?[0];

    static BackupRecord Backup(string place, int number)
    {
        var parts = place.Split(':');
        var id = BackupId.Next(SmallRepository.Clock.AddSeconds(number), null);
        var begin = WrittenSegments.Size.StartOf(ulong.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture)) + 0x28;
        var info = SmallRepository.Info(id) with { Timeline = uint.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), BeginLsnText = begin.ToString(), EndLsnText = (begin + 0x110).ToString() };
        return new(id, BackupState.Done, info, SmallRepository.Clock, null);
    }
}
