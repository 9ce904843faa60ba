using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Receiving from a server that behaves.</summary>
public sealed class WalStreamTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task W2_a_slot_made_before_the_first_connection_loses_no_segment(int version)
    {
        await using var reception = await Reception.PrepareAsync(new() { Version = version, Configuration = ["min_wal_size = 2MB", "max_wal_size = 4MB"] });
        await reception.CreateSlotAsync();
        var first = SegmentName.Containing(new(1), await reception.SlotPositionAsync(), reception.Size);
        await reception.WriteAsync(4);
        await reception.Cluster.SqlAsync("SELECT pg_switch_wal()");
        await reception.Cluster.SqlAsync("CHECKPOINT");
        await reception.WriteAsync(4);
        await reception.Cluster.SqlAsync("CHECKPOINT");

        reception.Start();
        await reception.CaughtUpAsync();
        await reception.Cluster.SqlAsync("SELECT pg_switch_wal()");
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();

        var stored = await reception.Lineage.Wal.ListSegmentsAsync(default);
        Assert.Equal(first, stored[0].Name);
        Assert.True(stored.Count >= 8, $"{stored.Count} segments");
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(64)]
    public async Task Segments_of_any_size_are_received(int megabytes)
    {
        await using var reception = await Reception.PrepareAsync(new() { WalSegmentSizeMb = megabytes, Configuration = ["min_wal_size = 256MB"] });
        reception.Start();
        for (var i = 0; i < 3; i++)
        {
            await reception.WriteAsync(2);
            await reception.Cluster.SqlAsync("SELECT pg_switch_wal()");
        }
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() >= 3);
        Assert.Equal(megabytes << 20, (await reception.StoredAsync((await reception.Lineage.Wal.ListSegmentsAsync(default))[0].Name)).Length);
    }

    [Fact]
    public async Task What_is_stopped_in_an_orderly_way_has_acknowledged_everything_and_goes_on_where_it_was()
    {
        await using var reception = await Reception.PrepareAsync();
        for (var round = 0; round < 3; round++)
        {
            reception.Start();
            await reception.PhaseAsync(ReceiverPhase.Streaming);
            await reception.WriteAsync(3);
            await reception.CaughtUpAsync();
            await reception.StopAsync();
            var state = reception.State!;
            Assert.Equal(ReceiverPhase.Stopped, state.Phase);
            Assert.Equal(await reception.SlotPositionAsync(), state.Flushed);
        }
        reception.Start();
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 3);
        await reception.StopAsync();
        await Eventually.IsTrueAsync(async () => await reception.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication") == 0, "no walsender is left");
    }

    [Fact]
    public async Task Only_one_process_receives_for_a_server()
    {
        await using var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        var second = reception.StartProcess();
        Assert.Equal((int)ErrorKind.Busy, (await second.ExitAsync()).ExitCode);
    }
}
