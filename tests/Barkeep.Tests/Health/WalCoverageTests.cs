using System.Globalization;
using Barkeep.Common;
using Barkeep.Health;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Received;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Health;

/// <summary>Which backups lead to where the server is. Backups as <c>timeline:number</c> of the segment that they have, oldest first; WAL as <see cref="WrittenSegments"/> says.</summary>
public sealed class WalCoverageTests
{
    static readonly string[] Fork = ["2: 1 0/400100"];

    [Theory]
    // A backup of the timeline before goes on to count.
    [InlineData("1:2 1:3 1:4~ 2:4 2:5", "1:2", 2, null)]
    [InlineData("1:2 1:3 1:4 1:5", "1:2 1:5", 1, null)]
    // The new one branched off before the backup's end.
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:5", 2, "no backup leads to timeline 2")]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:4", 2, "no backup leads to timeline 2")]
    // An older one is left.
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:3 1:5", 2, null)]
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:5 2:5", 2, null)]
    // It is no use where WAL is missing on its way.
    [InlineData("1:2 1:4 1:5 2:4 2:5", "1:2 1:5", 2, "no backup leads to timeline 2")]
    [InlineData("1:2 1:3 2:4 2:6", "1:2", 2, "WAL is missing, 0/500000 to 0/600000")]
    // What is known of the server is only where it was.
    [InlineData("1:2 1:3 1:4 1:5 2:4 2:5", "1:5", null, null)]
    public void A_backup_is_lacking_where_none_leads_to_the_present(string received, string backups, int? streamed, string? lack)
    {
        var coverage = Of(WrittenSegments.Wal(received, Fork), backups, streamed is { } timeline ? Streaming((uint)timeline, "0/900000") : null);
        if (lack is null)
        {
            Assert.Null(coverage.Lack);
        }
        else
        {
            Assert.StartsWith(lack, coverage.Lack, StringComparison.Ordinal);
        }
        Assert.Equal(lack?.StartsWith("WAL", StringComparison.Ordinal) == true, coverage.IsOpen);
    }

    [Theory]
    [InlineData("1:2 1:3", 1, 1)]
    [InlineData("1:2 1:3", 2, 1)]
    [InlineData("1:2 1:5", 1, 1)]
    [InlineData("1:2 1:5", 2, 0)]
    [InlineData("1:5 1:5", 2, null)]
    public void The_latest_backup_is_the_one_that_a_restore_takes(string backups, int streamed, int? expected)
    {
        var latest = Of(WrittenSegments.Wal("1:2 1:3 1:4 1:5 2:4 2:5", Fork), backups, Streaming((uint)streamed, "0/900000")).Latest;
        Assert.Equal(expected is { } number ? Backup("1:2", number).Id : null, latest);
    }

    [Fact]
    public void What_the_receiver_has_not_come_to_is_not_lost()
    {
        var received = WrittenSegments.Wal("1:2 1:3 1:6", []);
        Assert.Empty(Of(received, "1:2", Streaming(1, "0/400000")).Gaps);
        Assert.Null(Of(received, "1:2", Streaming(1, "0/400000")).Lack);
        Assert.Equal("0/400000 to 0/600000 on timeline 1: WAL segments 000000010000000000000004 to 000000010000000000000005 are missing (backup 20261123T131251)", Assert.Single(Of(received, "1:2", Streaming(1, "0/600100")).Lost).ToString());
        Assert.Single(Of(received, "1:2", null).Lost);
    }

    [Theory]
    // On the branch that was left, behind where it was left; and in the segment in which it was.
    [InlineData("1:2 1:3 1:4 1:6 2:4+300", 2, "0/400110", "0/500000 to 0/600000 on timeline 1")]
    [InlineData("1:2 1:3 1:5 2:4+300", 2, "0/400110", "0/400000 to 0/500000 on timeline 1")]
    [InlineData("1:2 1:3 1:5 2:4+300", 1, "0/400110", null)]
    // On the way to where the server is, which the receiver has yet to go, or has gone.
    [InlineData("1:2 1:4~ 2:4+300", 2, "0/300000", null)]
    [InlineData("1:2 1:4~ 2:4+300", 2, "0/400110", "0/300000 to 0/400000 on timeline 1")]
    [InlineData("1:2 1:3 1:4~ 2:4 2:6", 2, "0/400110", null)]
    public void What_is_missing_on_a_branch_that_the_server_has_left_is_not_to_come(string received, int streamed, string flushed, string? expected)
    {
        var gaps = Of(WrittenSegments.Wal(received, Fork), "1:2", Streaming((uint)streamed, flushed)).Gaps;
        if (expected is null)
        {
            Assert.Empty(gaps);
        }
        else
        {
            Assert.StartsWith(expected, Assert.Single(gaps).ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_gap_names_the_backups_that_it_concerns()
    {
        var coverage = Of(WrittenSegments.Wal("1:2 1:3 1:5 1:6", [], "1 0/400000 0/500000"), "1:2 1:3 1:5", Streaming(1, "0/700000"));
        Assert.Equal("0/400000 to 0/500000 on timeline 1: the slot was lost (backups 20261123T131251, 20261123T131252)", Assert.Single(coverage.Gaps).ToString());
        Assert.Empty(coverage.Lost);
        Assert.Null(coverage.Lack);
    }

    [Fact]
    public void Before_the_first_backup_a_gap_asks_for_one_until_it_is_filled()
    {
        Assert.True(Of(WrittenSegments.Wal("1:2 1:5", [], "1 0/300000 0/500000"), "", Streaming(1, "0/600000")) is { IsOpen: true, Lack: not null });
        Assert.True(Of(WrittenSegments.Wal("1:2 1:3 1:4 1:5", [], "1 0/300000 0/500000"), "", Streaming(1, "0/600000")) is { Gaps: [], Lack: null });
    }

    static WalCoverage Of(ReceivedWal received, string backups, ReceiverState? receiver) =>
        WalCoverage.Of(received, [.. backups.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Backup)], receiver, isReceiving: receiver is not null);

    static ReceiverState Streaming(uint timeline, string flushed) =>
        new(1, ReceiverPhase.Streaming, null, null, SmallRepository.Identity.SystemId, new(timeline), new(timeline), Lsn.Parse(flushed), Lsn.Parse(flushed), default, default, null, SmallRepository.Clock, SmallRepository.Clock);

    static BackupRecord Backup(string place, int number)
    {
        var parts = place.Split(':');
        var id = BackupId.TryParse($"20261123T1312{51 + number}", out var parsed) ? parsed : default;
        var begin = WrittenSegments.Size.StartOf(ulong.Parse(parts[1], CultureInfo.InvariantCulture)) + 0x28;
        var info = SmallRepository.Info(id) with { Timeline = uint.Parse(parts[0], CultureInfo.InvariantCulture), BeginLsnText = begin.ToString(), EndLsnText = (begin + 0x110).ToString() };
        return new(id, BackupState.Done, info, SmallRepository.Clock, null);
    }
}
