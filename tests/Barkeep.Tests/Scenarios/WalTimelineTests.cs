using Barkeep.Received;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Promotions: while receiving, and while nobody received.</summary>
public sealed class WalTimelineTests
{
    static Task AllReplayedAsync(TestCluster primary) =>
        Eventually.IsTrueAsync(
            async () => await primary.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND replay_lsn = pg_current_wal_lsn()") == 1,
            "the standby has everything");

    static TimelineHistory HistoryOf(TestCluster cluster, uint timeline) =>
        TimelineHistory.Parse(new(timeline), File.ReadAllBytes(Path.Combine(cluster.DataDirectory, "pg_wal", new TimelineId(timeline).HistoryFileName)));

    static string PgWal(TestCluster cluster) => Path.Combine(cluster.DataDirectory, "pg_wal");

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task W3_a_promotion_while_streaming_loses_no_byte_of_either_timeline(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(version);
        var roles = await primary.CreateBarkeepRolesAsync();
        await using var standby = await primary.StartStandbyAsync();
        await using var reception = await Reception.OfAsync(standby, roles);
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);

        using var enough = new CancellationTokenSource();
        var writing = reception.KeepWritingAsync(enough.Token, primary);
        await reception.StateAsync(s => s.Archived.IsValid, "segments are stored while the standby is one");
        await primary.KillAsync();
        await standby.PromoteAsync();
        await writing;
        await reception.WriteAsync(3);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();

        var history = await File.ReadAllBytesAsync(Path.Combine(PgWal(standby), "00000002.history"));
        Assert.Equal(history, await reception.Lineage.Wal.TryGetHistoryFileAsync(new(2), default));
        var fork = HistoryOf(standby, 2).Ancestors[^1].End;
        var ended = SegmentName.Containing(new(1), fork, reception.Size);
        // The old timeline's last segment, as far as it goes, and the new one's from the same position on.
        var partial = await reception.StoredAsync(ended, partial: true);
        var ofPrimary = await File.ReadAllBytesAsync(Path.Combine(PgWal(primary), $"{ended}"));
        Assert.Equal(reception.Size.OffsetOf(fork), partial.Length);
        Assert.True(partial.AsSpan().SequenceEqual(ofPrimary.AsSpan(0, partial.Length)));
        Assert.True(await reception.Lineage.Wal.HasSegmentAsync(ended with { Timeline = new(2) }, default));
        Assert.True(await reception.AssertEqualsServerAsync(PgWal(primary), new(1)) > 0);
        Assert.True(await reception.AssertEqualsServerAsync(PgWal(standby), new(2)) >= 3);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    public enum Position
    {
        Before,
        At,
        Past,
    }

    [Theory]
    [InlineData(Position.Before)]
    [InlineData(Position.At)]
    [InlineData(Position.Past)]
    public async Task W4_a_receiver_that_was_down_during_a_failover_keeps_both_and_follows_the_new_timeline(Position position)
    {
        await using var primary = await TestCluster.StartNewAsync();
        var roles = await primary.CreateBarkeepRolesAsync();
        await using var standby = await primary.StartStandbyAsync();
        await using var reception = await Reception.OfAsync(primary, roles);
        reception.Start();
        await reception.WriteAsync(2);
        await AllReplayedAsync(primary);
        if (position == Position.Past)
        {
            // The standby does not get what is received here.
            await standby.StopAsync();
            await reception.WriteAsync(3);
        }
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        if (position == Position.Before)
        {
            await reception.StopAsync();
            await reception.WriteAsync(3);
            await AllReplayedAsync(primary);
        }
        await primary.KillAsync();
        if (position != Position.Before)
        {
            await reception.StopAsync();
        }
        var tail = reception.Spool.List()[^1];
        var tailBytes = await File.ReadAllBytesAsync(reception.Spool.PathOf(tail.Name));
        if (position == Position.Past)
        {
            await standby.StartAsync();
        }
        await standby.PromoteAsync();
        var fork = HistoryOf(standby, 2).Ancestors[^1].End;
        var held = tail.Name.Start(reception.Size) + tail.Length;
        Assert.Equal(position, held < fork ? Position.Before : held == fork ? Position.At : Position.Past);

        (reception.Cluster, reception.Config) = (standby, reception.Config with { Port = standby.Port });
        reception.Start();
        await reception.WriteAsync(3);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();

        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.True(await reception.AssertEqualsServerAsync(PgWal(primary), new(1)) > 0);
        Assert.True(await reception.AssertEqualsServerAsync(PgWal(standby), new(2)) >= 3);
        if (position != Position.Before)
        {
            Assert.True((await reception.StoredAsync(tail.Name, partial: true)).AsSpan().SequenceEqual(tailBytes));
        }
        Assert.All(reception.Spool.List(), f => Assert.Equal(new TimelineId(2), f.Name.Timeline));
    }
}
