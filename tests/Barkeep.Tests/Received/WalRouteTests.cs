using Barkeep.Received;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>Segments are written as <see cref="WrittenSegments"/> says.</summary>
public sealed class WalRouteTests
{
    static readonly SegmentSize Size = WrittenSegments.Size;
    static readonly Lsn Begin = new(0x200028);
    static readonly Lsn End = new(0x200138);

    [Fact]
    public void Segments_follow_one_another_to_the_tail() =>
        AssertRoute("1:2 1:3 1:4+5000", [], "1:2 1:3 1:4+5000", "0/401388");

    [Fact]
    public void A_missing_segment_ends_the_route() =>
        Assert.Equal("000000010000000000000004", AssertRoute("1:2 1:3 1:5 1:6+100", [], "1:2 1:3", "0/400000").Missing.ToString());

    [Fact]
    public void A_partial_segment_in_the_midst_ends_the_route_as_a_missing_one_does() =>
        Assert.Equal("000000010000000000000003", AssertRoute("1:2 1:3~ 1:4", [], "1:2 1:3", "0/400000").Missing.ToString());

    [Fact]
    public void Segments_before_the_backup_do_not_matter() =>
        AssertRoute("1:0 1:2", [], "1:2", "0/300000");

    [Fact]
    public void Without_the_backups_own_segment_there_is_no_route() =>
        Assert.Equal("000000010000000000000002", AssertRoute("1:1 1:3", [], "", "0/200000").Missing.ToString());

    [Fact]
    public void A_new_timeline_is_taken_from_the_segment_in_which_it_began() =>
        AssertRoute("1:2 1:3 1:4~ 2:4 2:5+70", ["2: 1 0/400100"], "1:2 1:3 2:4 2:5+70", "0/500046", timeline: 2);

    [Fact]
    public void A_new_timeline_that_began_between_two_segments_is_taken_from_the_second() =>
        AssertRoute("1:2 1:3 1:4 2:4 2:5+70", ["2: 1 0/400000"], "1:2 1:3 2:4 2:5+70", "0/500046", timeline: 2);

    [Fact]
    public void A_new_timeline_of_which_nothing_was_received_ends_where_it_began() =>
        AssertRoute("1:2 1:3 1:4 1:5", ["2: 1 0/400100"], "1:2 1:3 1:4+256", "0/400100", timeline: 2);

    [Theory]
    // The parent went on after it was left, as it does when a moment is restored: that is no gap.
    [InlineData("1:2 1:3 1:4 1:5 1:6 2:4+9000", null)]
    [InlineData("1:2 1:3 1:4 1:5 1:6 2:4 2:6", "0/700000")]
    [InlineData("1:2 1:4 1:5 1:6", "0/500000")]
    [InlineData("1:2 2:4 2:5", "0/600000")]
    public void What_other_branches_went_on_to_is_not_beyond_a_gap(string received, string? expected)
    {
        var wal = Wal(received, ["2: 1 0/400100"]);
        Assert.Equal(expected, WalRoute.Choose(wal, new(1), Begin, End, new TimelineId(2))!.EndBeyondGap(wal)?.ToString());
    }

    [Fact]
    public void A_new_timelines_tail_that_is_not_beyond_its_beginning_is_not_needed() =>
        AssertRoute("1:2 1:3 1:4~ 2:4+200", ["2: 1 0/400100"], "1:2 1:3 1:4+256", "0/400100", timeline: 2);

    [Fact]
    public void A_new_timeline_whose_beginning_cannot_be_reached_is_not_taken() =>
        AssertRoute("1:2 1:3+900 2:4 2:5", ["2: 1 0/400100"], "1:2 1:3+900", "0/300384", timeline: 1);

    [Fact]
    public void A_timeline_that_left_before_the_backup_ended_does_not_hold_it() =>
        AssertRoute("1:2 1:3 2:2 2:3 2:4", ["2: 1 0/200100"], "1:2 1:3", "0/400000", timeline: 1);

    [Fact]
    public void Of_two_branches_the_newer_one_is_taken_unless_the_other_is_wanted()
    {
        const string Received = "1:2 1:3 2:3 2:4 2:5 2:6 3:3 3:4";
        string[] histories = ["2: 1 0/300100", "3: 1 0/300080"];
        AssertRoute(Received, histories, "1:2 3:3 3:4", "0/500000", timeline: 3);
        AssertRoute(Received, histories, "1:2 2:3 2:4 2:5 2:6", "0/700000", timeline: 2, wanted: 2);
        Assert.Null(WalRoute.Choose(Wal(Received, histories), new(1), Begin, End, new(7)));
    }

    [Fact]
    public void Several_promotions_within_one_segment_lead_to_the_last() =>
        AssertRoute("1:2 1:3~ 2:3~ 3:3 3:4+8", ["2: 1 0/300100", "3: 1 0/300100, 2 0/300200"], "1:2 3:3 3:4+8", "0/400008", timeline: 3);

    [Fact]
    public void A_backup_of_a_later_timeline_follows_its_own_history() =>
        Assert.Equal(new(2), WalRoute.Choose(Wal("1:2 1:3 1:4 2:2 2:3", ["2: 1 0/200020"]), new(2), Begin, End, null)!.History.Timeline);

    [Fact]
    public void Any_received_segments_make_a_route_without_gaps_that_goes_as_far_as_they_do() =>
        Gen.Int[2, 12].HashSet[0, 10].Sample(numbers =>
        {
            var route = WalRoute.Choose(Wal(string.Join(' ', numbers.Select(n => $"1:{n}")), []), new(1), Begin, End, null)!;
            var reached = Enumerable.Range(2, 20).First(n => !numbers.Contains(n));
            Assert.Equal(Size.StartOf((ulong)reached), route.End);
            Assert.Equal(SegmentName.Of(new(1), (ulong)reached, Size), route.Missing);
            Assert.Equal(Enumerable.Range(2, reached - 2), route.Parts.Select(p => (int)p.Segment.Name.Number(Size)));
        });

    static WalRoute AssertRoute(string received, string[] histories, string expected, string end, uint timeline = 1, uint? wanted = null)
    {
        var route = WalRoute.Choose(Wal(received, histories), new(1), Begin, End, wanted is { } only ? new TimelineId(only) : null)!;
        Assert.Equal(expected, string.Join(' ', route.Parts.Select(Text)));
        Assert.Equal(end, route.End.ToString());
        Assert.Equal(new(timeline), route.History.Timeline);
        return route;
    }

    static string Text(WalPart part) =>
        $"{part.Segment.Name.Timeline}:{part.Segment.Name.Number(Size)}{(part.Keep == Size.Bytes ? "" : $"+{part.Keep}")}";

    static ReceivedWal Wal(string received, string[] histories) => WrittenSegments.Wal(received, histories);
}
