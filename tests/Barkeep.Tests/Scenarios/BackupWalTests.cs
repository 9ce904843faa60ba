using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupWalTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task B4_a_backup_is_done_once_its_WAL_is_here_and_says_what_is_missing_until_then(int version)
    {
        await using var reception = await Reception.PrepareAsync(new() { Version = version });
        await reception.CreateSlotAsync();
        var bench = new BackupBench(reception.Config, reception.Locations);

        // Without a receiver: at once, and it says so.
        var waiting = await bench.BackUpAsync();
        Assert.Equal(BackupState.WaitingForWals, waiting.State);
        Assert.Contains(waiting.Warnings, w => w.Contains($"{waiting.Missing} is missing, and no receive-wal", StringComparison.Ordinal));
        Assert.Equal(waiting.Missing, Assert.Single(await WalCompletion.CheckAllAsync(reception.Lineage, TimeProvider.System, default)).Check.Missing);

        // With one, on a server that nobody else uses: nobody waits for a segment to fill.
        reception.Start();
        var done = await bench.BackUpAsync();
        Assert.Equal(BackupState.Done, done.State);
        Assert.Empty(done.Warnings);

        // The earlier one is complete now too, and is not looked at again.
        Assert.Equal((waiting.Id, new(null, null)), Assert.Single(await WalCompletion.CheckAllAsync(reception.Lineage, TimeProvider.System, default)));
        Assert.All(await bench.ListAsync(), b => Assert.Equal(BackupState.Done, b.State));
        Assert.Empty(await WalCompletion.CheckAllAsync(reception.Lineage, TimeProvider.System, default));
        await reception.StopAsync();
    }

    [Fact]
    public async Task B4_WAL_that_does_not_come_is_waited_for_no_longer_than_was_said()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        using var receiver = DutyLock.TryTake(bench.Locations.ReceiverLock(bench.Server.Name));
        var late = await bench.BackUpAsync(BackupBench.Options with { WalTimeout = TimeSpan.FromSeconds(1) });
        Assert.Equal(BackupState.WaitingForWals, late.State);
        Assert.Contains(late.Warnings, w => w.Contains($"{late.Missing} has not arrived within 1 s", StringComparison.Ordinal));

        // All but the last one is not enough.
        var lineage = await bench.LineageAsync();
        await cluster.SqlAsync("SELECT pg_switch_wal()");
        await bench.ArchiveAsync(cluster, late.Info);
        var last = (await lineage.Wal.ListSegmentsAsync(default))[^1];
        await lineage.Wal.DeleteSegmentAsync(last, default);
        Assert.Equal(new(last.Name, null), await WalCompletion.CheckAsync(lineage, late.Id, late.Info, TimeProvider.System, default));
        await bench.ArchiveAsync(cluster, last.Name);
        Assert.True((await WalCompletion.CheckAsync(lineage, late.Id, late.Info, TimeProvider.System, default)).IsComplete);
        Assert.Equal(BackupState.Done, Assert.Single(await bench.ListAsync()).State);
    }
}
