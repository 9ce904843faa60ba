using System.Globalization;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>
/// Which timeline a server is on, and the way there from its newest backup. Backups as <c>timeline:number</c> of the segment that they have, oldest first; WAL as
/// <see cref="WrittenSegments"/> says.
/// </summary>
public sealed class PresentTimelineTests
{
    // Timeline 2 left the first one in its fifth segment.
    static readonly string[] Fork = ["2: 1 0/400100"];

    [Theory]
    // Promoted, and gone back before a backup was taken and after.
    [InlineData("1:2 1:3 1:4~ 2:4 2:5", "1:2", 2, 2u)]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:2", 1, 1u)]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:2 1:5", 1, 1u)]
    // The newest backup does not lead to where the server is.
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:2 1:5", 2, 1u)]
    // What the server is on has not come, or not all of what leads there.
    [InlineData("1:2 1:3 1:4", "1:2", 2, 2u)]
    [InlineData("1:2 1:3", "1:2", 2, 1u)]
    public void What_the_receiver_has_heard_counts_whatever_WAL_there_is(string received, string backups, int heard, uint way)
    {
        var present = Of(WrittenSegments.Wal(received, Fork), backups, (uint)heard);
        Assert.Equal((new((uint)heard), true), (present.Timeline, present.IsHeard));
        Assert.Equal(new(way), present.RouteFrom(All(backups)[^1].Info!)!.History.Timeline);
    }

    [Theory]
    [InlineData("1:2 1:3 1:4~ 2:4 2:5", "1:2", 2u)]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:2 1:5", 1u)]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:2 1:5 2:5", 2u)]
    [InlineData("1:2 1:3 2:4 2:5", "", 2u)]
    public void Without_its_word_the_newest_timeline_to_which_the_newest_backup_leads_does(string received, string backups, uint expected)
    {
        var present = Of(WrittenSegments.Wal(received, Fork), backups, null);
        Assert.Equal((new(expected), false), (present.Timeline, present.IsHeard));
    }

    [Fact]
    public void That_a_newer_timeline_is_not_followed_is_said_with_the_reason()
    {
        var received = WrittenSegments.Wal("1:2 1:3 1:4 1:5 2:4 2:5", Fork);
        Assert.Equal(
            "timeline 2 is newer, and is not followed: the server is on timeline 1, as its receiver has last heard; --target-tli 2 restores the other",
            RemarkOf(Of(received, "1:2", 1), "1:2"));
        Assert.Null(RemarkOf(Of(received, "1:2", 2), "1:2"));
        var inferred = RemarkOf(Of(received, "1:2 1:5", null), "1:2 1:5");
        Assert.StartsWith("WHICH TIMELINE THE SERVER IS ON IS NOT KNOWN", inferred, StringComparison.Ordinal);
        Assert.Contains($"because the newest backup, {All("1:2 1:5")[1].Id}, leads to it and not to timeline 2", inferred, StringComparison.Ordinal);
    }

    [Fact]
    public void While_the_receiver_catches_up_no_other_branch_is_taken_for_the_way()
    {
        // The server is on 3, which left 1 behind what has come; 2 left it before.
        var received = WrittenSegments.Wal("1:2 1:3 1:4 1:5 2:4 2:5", ["2: 1 0/400100", "3: 1 0/700000"]);
        var present = Of(received, "1:2", 3);
        var route = present.RouteFrom(All("1:2")[0].Info!)!;
        Assert.Equal(new(1), route.History.Timeline);
        Assert.False(present.IsLeftBy(route));
        // Where WAL of it is here behind a hole, the way is cut off.
        present = Of(WrittenSegments.Wal("1:2 1:3 1:4 1:5 3:7", ["3: 1 0/700000"]), "1:2", 3);
        Assert.True(present.IsLeftBy(present.RouteFrom(All("1:2")[0].Info!)!));
    }

    static string? RemarkOf(PresentTimeline present, string backups) => present.RemarkOn(present.RouteFrom(All(backups)[^1].Info!)!);

    static PresentTimeline Of(ReceivedWal received, string backups, uint? heard) => PresentTimeline.Of(received, All(backups), heard is { } timeline ? Heard(timeline) : null);

    static ReceiverState Heard(uint timeline) =>
        new(1, ReceiverPhase.Waiting, null, null, SmallRepository.Identity.SystemId, new(timeline), null, default, default, default, default, null, SmallRepository.Clock, SmallRepository.Clock);

    static List<BackupRecord> All(string backups) => [.. backups.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Backup)];

    static BackupRecord Backup(string place, int number)
    {
        var parts = place.Split(':');
        var id = BackupId.Next(SmallRepository.Clock.AddSeconds(number), null);
        var begin = WrittenSegments.Size.StartOf(ulong.Parse(parts[1], CultureInfo.InvariantCulture)) + 0x28;
        var info = SmallRepository.Info(id) with { Timeline = uint.Parse(parts[0], CultureInfo.InvariantCulture), BeginLsnText = begin.ToString(), EndLsnText = (begin + 0x110).ToString() };
        return new(id, BackupState.Done, info, SmallRepository.Clock, null);
    }
}
