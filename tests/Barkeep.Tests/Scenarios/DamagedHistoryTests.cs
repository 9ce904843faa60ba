using Barkeep.Received;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class DamagedHistoryTests
{
    [Fact]
    public async Task A_timelines_history_that_rots_keeps_no_WAL_out_and_the_next_connection_mends_it()
    {
        await using var primary = await TestCluster.StartNewAsync();
        var roles = await primary.CreateBarkeepRolesAsync();
        await using var standby = await primary.StartStandbyAsync();
        await primary.KillAsync();
        await standby.PromoteAsync();
        await using var reception = await Reception.OfAsync(standby, roles);
        reception.Start();
        await reception.WriteAsync(3);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        var stored = (await reception.Lineage.Wal.ListSegmentsAsync(default)).Count;

        var history = Path.Combine(reception.Locations.RepositoryDirectory(reception.Config.Name), $"{reception.Lineage.Identity.SystemId}/wal/history/00000002");
        var bytes = await File.ReadAllBytesAsync(history);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(history, bytes);
        await reception.WriteAsync(3);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True((await reception.Lineage.Wal.ListSegmentsAsync(default)).Count > stored);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));

        await reception.StopAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        Assert.True(await reception.Lineage.Wal.HasSoundHistoryAsync(new TimelineId(2), default));
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
    }
}
