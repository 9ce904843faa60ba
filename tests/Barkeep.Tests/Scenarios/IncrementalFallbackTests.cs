using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Packs;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Where what has changed cannot be known, everything is read, and the backup says why.</summary>
public sealed class IncrementalFallbackTests
{
    const string Filling = "CREATE TABLE big AS SELECT i, md5(i::text) AS hash, repeat('x', 100) AS pad FROM generate_series(1, 40000) i";
    const string Changing = "UPDATE big SET hash = 'changed' WHERE i % 400 = 0";

    [Fact]
    public async Task A_gap_in_the_WAL_is_named()
    {
        await using var bench = await IncrementalBench.StartAsync(0, "max_slot_wal_keep_size = 2MB", "max_wal_size = 4MB", "min_wal_size = 2MB", "wal_keep_size = 6MB");
        await bench.Cluster.SqlAsync(Filling);
        var first = await bench.BackUpAsync();
        await bench.Reception.StopAsync();
        await Eventually.GivesAsync(
            async () =>
            {
                await bench.Reception.WriteAsync(5);
                await bench.Cluster.SqlAsync("CHECKPOINT");
                return await bench.Cluster.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots");
            },
            static status => status == "lost",
            "the server gives up the slot");
        bench.Reception.Start();
        await bench.Reception.PhaseAsync(ReceiverPhase.Streaming);
        await bench.Reception.CaughtUpAsync();
        // The first of several where the server still removes WAL, in no order, while the receiver looks what is left.
        var gap = (await bench.Reception.Lineage.Wal.ListGapsAsync(default))[0];

        var second = await bench.ReadsEverythingAsync($"the WAL from {gap.From} to {gap.To} is missing: {gap.Reason}");
        Assert.InRange(second.Info.StoredBytes, 1, second.Info.ReadBytes);
        Assert.Contains($"Backup {second.Id}", bench.Log, StringComparison.Ordinal);
        Assert.Contains("everything was read: the WAL from", bench.Log, StringComparison.Ordinal);
        await bench.AssertEqualsAsync(second);
        // Behind the gap all is as before.
        await bench.DeleteAsync(first.Id);
        var third = await bench.IncrementalAsync(second);
        await bench.AssertEqualsAsync(third);
    }

    [Fact]
    public async Task A_timeline_that_left_before_the_last_backups_end_shares_no_changes_with_it()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        await using var standby = await bench.Cluster.StartStandbyAsync();
        await standby.StopAsync();
        await bench.Cluster.SqlAsync(Changing);
        var first = await bench.BackUpAsync();
        await bench.Reception.StopAsync();
        await bench.Cluster.StopAsync();
        // What it has not received is lost to it.
        await standby.StartAsync();
        await standby.PromoteAsync();
        await bench.Reception.Lineage.Wal.PutHistoryAsync(new(2), await File.ReadAllBytesAsync(Path.Combine(standby.DataDirectory, "pg_wal/00000002.history")), default);
        bench.Reception.Config = bench.Reception.Config with { Port = standby.Port };
        bench.Reception.Cluster = standby;

        var second = await bench.ReadsEverythingAsync($"timeline 2 does not descend from backup {first.Id}, which ended at {first.Info.EndLsn} on timeline 1");
        await bench.AssertEqualsAsync(second);
    }

    [Fact]
    public async Task After_wal_level_minimal_everything_is_read()
    {
        await using var bench = await IncrementalBench.StartAsync(0, "wal_keep_size = 256MB");
        await bench.Cluster.SqlAsync(Filling);
        await bench.BackUpAsync();
        await bench.Reception.StopAsync();
        await Eventually.IsTrueAsync(() => bench.Cluster.ScalarAsync<bool>("SELECT NOT bool_or(active) FROM pg_replication_slots"), "the slot is free");
        await bench.Cluster.SqlAsync($"SELECT pg_drop_replication_slot('{Reception.Slot}')");
        await bench.Cluster.ConfigureAsync("wal_level = minimal", "max_wal_senders = 0");
        await bench.Cluster.RestartAsync();
        // Without WAL: that is what minimal means.
        await bench.Cluster.SqlAsync("BEGIN; TRUNCATE big; INSERT INTO big SELECT i, md5(i::text), 'anew' FROM generate_series(1, 40000) i; COMMIT");
        await bench.Cluster.ConfigureAsync("wal_level = replica", "max_wal_senders = 10");
        await bench.Cluster.RestartAsync();
        bench.Reception.Start();
        await bench.Reception.PhaseAsync(ReceiverPhase.Streaming);

        var second = await bench.ReadsEverythingAsync("the server ran with wal_level = minimal at");
        await bench.AssertEqualsAsync(second);
        await bench.AssertEqualsAsync(await bench.IncrementalAsync(second));
    }

    [Fact]
    public async Task After_checksums_were_switched_everything_is_read()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        var first = await bench.BackUpAsync();
        await bench.Cluster.StopAsync();
        (await bench.Cluster.RunAsync("pg_checksums", "--disable", "--pgdata", bench.Cluster.DataDirectory)).Checked();
        await bench.Cluster.StartAsync();
        await bench.AssertEqualsAsync(await bench.ReadsEverythingAsync($"data checksums have been switched off since backup {first.Id}"));
    }

    [Fact]
    public async Task A_receiver_that_receives_nothing_is_not_waited_for_long()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        await bench.BackUpAsync();
        await bench.Reception.StopAsync();
        await using var receiver = bench.Reception.StartProcess();
        await bench.Reception.WriteAsync(1);
        await bench.Reception.CaughtUpAsync();
        Signal.Stop.Send(receiver.Pid);
        await bench.Cluster.SqlAsync(Changing);

        var second = await bench.BackUpAsync(BackupBench.Options with { WalTimeout = TimeSpan.Zero });
        Assert.Contains("has not been received", second.Info.WhyEverything, StringComparison.Ordinal);
        Assert.Contains("s of waiting", bench.Log, StringComparison.Ordinal);
        Signal.Continue.Send(receiver.Pid);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task After_a_promotion_what_changed_is_still_known(int version)
    {
        await using var bench = await IncrementalBench.StartAsync(version);
        await bench.Cluster.SqlAsync(Filling);
        var primary = bench.Cluster;
        await using var standby = await primary.StartStandbyAsync();
        var first = await bench.BackUpAsync();
        await primary.SqlAsync(Changing);
        await bench.Reception.CaughtUpAsync();
        var position = await primary.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text");
        await Eventually.IsTrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{position}'"), "the standby has caught up");
        await bench.Reception.StopAsync();
        await primary.StopAsync();
        await standby.PromoteAsync();
        await standby.SqlAsync("DELETE FROM big WHERE i % 1000 = 0");
        bench.Reception.Config = bench.Reception.Config with { Port = standby.Port };
        bench.Reception.Cluster = standby;
        await bench.Reception.CreateSlotAsync();
        bench.Reception.Start();
        await bench.Reception.PhaseAsync(ReceiverPhase.Streaming);

        var second = await bench.IncrementalAsync(first);
        // A standby lacks hints that its primary set without WAL: page for page they need not be equal.
        Assert.Equal((1u, 2u), (first.Info.Timeline, second.Info.Timeline));
        await bench.AssertRestoresAsync(second);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task B7_a_frame_from_which_its_pages_cannot_be_had_back_fails_the_backup(bool isWellFormed)
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        var failure = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync(codec: () => new FaultyCodec(3, isWellFormed)));
        Assert.Equal(ErrorKind.Damaged, failure.Kind);
        Assert.Contains("cannot be had back", failure.Message, StringComparison.Ordinal);

        var backup = Assert.Single(await bench.Reception.Lineage.Backups.ListAsync(default));
        Assert.Equal((BackupState.Failed, failure.Message), (backup.State, backup.Failure));
        Assert.Empty(await bench.Reception.Lineage.Packs.ListAsync(default));
        await bench.AssertEqualsAsync(await bench.BackUpAsync());
    }
}
