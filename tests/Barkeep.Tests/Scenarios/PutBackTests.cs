using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// A server that was put back to an earlier state, as a snapshot of its disk is, and goes on on the same timeline: it writes other WAL where some has been received.
/// </summary>
public sealed class PutBackTests
{
    const string Filling = "CREATE TABLE t AS SELECT i, 'base'::text AS v, repeat('x', 200) AS pad FROM generate_series(1, 20000) i";

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task No_backup_is_done_with_the_WAL_of_an_abandoned_branch_and_all_is_well_on_a_timeline_of_its_own(int version)
    {
        await using var bench = await IncrementalBench.StartAsync(version);
        await bench.Cluster.SqlAsync(Filling);
        var good = await bench.BackUpAsync();
        Assert.Equal(BackupState.Done, good.State);
        await PutBackAsync(bench, () => bench.Reception.WriteAsync(30, "abandoned"));
        await bench.Cluster.SqlAsync("UPDATE t SET v = 'present' WHERE i % 40 = 0");

        // There is no use in it without WAL: not one page is read.
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.WalDiverged, refusal.Kind);
        Assert.StartsWith("nothing is read, since it could not be restored: the WAL that was received has not the server's checkpoint at", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("put back to an earlier state", refusal.Line, StringComparison.Ordinal);
        Assert.DoesNotContain("bytes read", bench.Log[bench.Log.LastIndexOf(" begins", StringComparison.Ordinal)..], StringComparison.Ordinal);
        var failed = (await bench.Reception.Lineage.Backups.ListAsync(default))[^1];
        Assert.Equal((BackupState.Failed, null, refusal.Message), (failed.State, failed.Info, failed.Failure));
        Assert.Equal(good.Id, (await PlanAsync(bench, null)).Backup);

        // The receiver says what has happened, and what to do.
        var reason = (await bench.Reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WalDiverged)).Reason!;
        Assert.StartsWith("the server's WAL differs from what was received before in", reason, StringComparison.Ordinal);
        Assert.Contains("start it once with standby.signal and promote it", reason, StringComparison.Ordinal);
        await GoOnOnAnotherTimelineAsync(bench);
        await bench.Reception.StateAsync(static s => s is { Phase: ReceiverPhase.Streaming, Timeline.Value: 2 }, "the receiver follows the new timeline");

        // What has changed is not believed to be known where that backup found otherwise.
        var next = await bench.ReadsEverythingAsync($"is the server's, as backup {failed.Id} has found");
        Assert.Equal(BackupState.Done, next.State);
        await bench.AssertEqualsAsync(next);
        await bench.Cluster.SqlAsync("UPDATE t SET v = 'later' WHERE i % 50 = 0");
        await bench.AssertRestoresAsync(await bench.IncrementalAsync(next));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    public async Task A_quiet_server_that_had_written_more_than_was_received_is_backed_up_again_on_the_way_that_the_manual_tells(int version)
    {
        await using var bench = await IncrementalBench.StartAsync(version);
        var reception = bench.Reception;
        await bench.Cluster.SqlAsync(Filling);
        await bench.BackUpAsync();
        await PutBackAsync(bench, () => bench.Cluster.SqlAsync("UPDATE t SET v = 'abandoned' WHERE i = 1"));
        await bench.Cluster.SqlAsync("UPDATE t SET v = 'present' WHERE i % 10 = 0");
        await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WalDiverged);

        await GoOnOnAnotherTimelineAsync(bench);
        var state = await reception.StateAsync(
            static s => s is { Phase: ReceiverPhase.Waiting, ServerTimeline.Value: 2, Kind: ErrorKind.WalDiverged, Reason: { } why } && why.Contains("what was received stays in", StringComparison.Ordinal),
            "the fork is after what was received");
        var reason = state.Reason!;
        Assert.Contains("drop the replication slot", reason, StringComparison.Ordinal);
        Assert.Contains("SELECT pg_switch_wal(); CHECKPOINT", reason, StringComparison.Ordinal);
        await DropSlotAsync(bench);

        // It is not made anew while it would keep what is to be removed.
        await reception.StopAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WalDiverged);
        Assert.Equal(0, await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        await RemoveOldWalAsync(bench);
        await reception.StateAsync(static s => s is { Phase: ReceiverPhase.Streaming, Timeline.Value: 2 }, "the receiver goes on after the gap");
        var gap = Assert.Single(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.Equal(1u, gap.Timeline.Value);

        var next = await bench.BackUpAsync(full: true);
        Assert.Equal(BackupState.Done, next.State);
        await bench.AssertEqualsAsync(next);
        await bench.Cluster.SqlAsync("UPDATE t SET v = 'later' WHERE i % 50 = 0");
        await bench.AssertRestoresAsync(await bench.IncrementalAsync(next));
    }

    [Fact]
    public async Task Nothing_follows_a_complete_segment_of_the_abandoned_branch_although_the_server_has_removed_its_own_of_that_name()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var (cluster, reception) = (bench.Cluster, bench.Reception);
        await cluster.SqlAsync(Filling);
        await PutBackAsync(bench, async () =>
        {
            await cluster.SqlAsync("UPDATE t SET v = 'abandoned' WHERE i = 1");
            await cluster.SqlAsync("SELECT pg_switch_wal()");
        });
        var last = (await reception.Lineage.Wal.ListSegmentsAsync(default))[^1].Name;
        await cluster.SqlAsync("UPDATE t SET v = 'present' WHERE i = 2");
        await cluster.SqlAsync("SELECT pg_switch_wal()");
        await cluster.SqlAsync("CHECKPOINT");
        Assert.Equal($"{last.Next(reception.Size)}", await cluster.ScalarAsync<string>("SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()"));
        await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WalDiverged);

        // All the same to a receiver that knows no more than what is on disk.
        await DropSlotAsync(bench);
        await reception.StopAsync();
        await cluster.SqlAsync("CHECKPOINT");
        await Eventually.IsTrueAsync(() => !File.Exists(Path.Combine(cluster.DataDirectory, "pg_wal", $"{last}")), "the server has removed it");
        reception.Start();
        await Eventually.IsTrueAsync(async () => (await reception.Lineage.Wal.ListGapsAsync(default)).Count > 0, "the gap is recorded");
        var gap = Assert.Single(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.Equal((last.End(reception.Size), last.Next(reception.Size).End(reception.Size)), (gap.From, gap.To));

        await RemoveOldWalAsync(bench);
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        var next = await bench.BackUpAsync(full: true);
        Assert.Equal(BackupState.Done, next.State);
        await bench.AssertRestoresAsync(next);
        Assert.False(await reception.Lineage.Wal.HasSegmentAsync(last.Next(reception.Size), default));
    }

    [Fact]
    public async Task A_backup_at_the_very_positions_of_one_on_the_abandoned_branch_is_told_from_it()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        BackupResult abandoned = null!;
        await PutBackAsync(bench, async () =>
        {
            await bench.Cluster.SqlAsync("UPDATE t SET v = 'abandoned' WHERE i = 1");
            abandoned = await bench.BackUpAsync();
        });
        await bench.Cluster.SqlAsync("UPDATE t SET v = 'present' WHERE i = 2");
        // A checkpoint's time has whole seconds.
        await Eventually.IsTrueAsync(() => bench.Cluster.ScalarAsync<bool>($"SELECT clock_timestamp() >= '{abandoned.Info.CheckpointTime:O}'::timestamptz + interval '1 s'"), "the next second");

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync(full: true));
        Assert.Equal(ErrorKind.WalDiverged, refusal.Kind);
        Assert.Contains($"has not the server's checkpoint at {abandoned.Info.CheckpointLsnText}: ", refusal.Message, StringComparison.Ordinal);
        Assert.Equal([BackupState.Done, BackupState.Failed], (await bench.Reception.Lineage.Backups.ListAsync(default)).Select(static b => b.State));
    }

    [Fact]
    public async Task A_backup_that_waits_for_WAL_takes_none_of_what_the_server_writes_after_it_was_put_back()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync(Filling);
        await bench.BackUpAsync();
        await bench.Reception.CaughtUpAsync();
        await bench.Reception.StopAsync();
        BackupResult waiting = null!;
        await PutBackAsync(bench, async () =>
        {
            await bench.Cluster.SqlAsync("UPDATE t SET v = 'abandoned' WHERE i % 40 = 0");
            waiting = await bench.BackUpAsync();
        });
        Assert.Equal(BackupState.WaitingForWals, waiting.State);
        bench.Reception.Start();
        await bench.Reception.WriteAsync(10);
        await bench.Reception.CaughtUpAsync();
        await bench.Reception.ArchivedAsync();

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => PlanAsync(bench, waiting.Id));
        Assert.Equal(ErrorKind.BackupUnusable, refusal.Kind);
        Assert.Contains("is not its server's", refusal.Message, StringComparison.Ordinal);
        var lineage = bench.Reception.Lineage;
        var (id, check) = Assert.Single(await WalCompletion.CheckAllAsync(lineage, TimeProvider.System, default));
        Assert.Equal((waiting.Id, null, ErrorKind.WalDiverged), (id, check.Missing, check.Fault?.Kind));
        Assert.Equal([BackupState.Done, BackupState.Failed], (await lineage.Backups.ListAsync(default)).Select(static b => b.State));
        Assert.Empty(await WalCompletion.CheckAllAsync(lineage, TimeProvider.System, default));
        // It is a failed backup like any other: it can be deleted, and what it held goes.
        await bench.DeleteAsync(waiting.Id);
        Assert.DoesNotContain(await lineage.Packs.ListAsync(default), p => p.Owner == waiting.Id.ToString());
    }

    [Fact]
    public async Task WAL_that_cannot_be_read_makes_no_backup_done_and_loses_none()
    {
        await using var reception = await Reception.PrepareAsync();
        var bench = new BackupBench(reception.Config, reception.Locations);
        var waiting = await bench.BackUpAsync();
        var name = waiting.Missing!.Value;
        await bench.ArchiveAsync(reception.Cluster, name);
        await reception.RotAsync(name);

        var check = await WalCompletion.CheckAsync(reception.Lineage, waiting.Id, waiting.Info, TimeProvider.System, default);
        Assert.Equal((null, ErrorKind.Damaged), (check.Missing, check.Fault!.Kind));
        Assert.Equal(BackupState.WaitingForWals, Assert.Single(await bench.ListAsync()).State);

        // Put right again, it is what it was waiting for.
        await reception.RotAsync(name);
        Assert.True((await WalCompletion.CheckAsync(reception.Lineage, waiting.Id, waiting.Info, TimeProvider.System, default)).IsComplete);
        Assert.Equal(BackupState.Done, Assert.Single(await bench.ListAsync()).State);
    }

    /// <summary>Stops the server, keeps its directory as it is then, lets something happen and be received, and puts the directory back.</summary>
    static async Task PutBackAsync(IncrementalBench bench, Func<Task> happen)
    {
        var (cluster, saved) = (bench.Cluster, $"{bench.Cluster.DataDirectory}-saved");
        await cluster.StopAsync();
        (await Command.RunAsync("cp", "--archive", cluster.DataDirectory, saved)).Checked();
        await cluster.StartAsync();
        if (bench.Reception.IsRunning)
        {
            await bench.Reception.PhaseAsync(ReceiverPhase.Streaming);
        }
        await happen();
        if (bench.Reception.IsRunning)
        {
            await bench.Reception.CaughtUpAsync();
            await bench.Reception.ArchivedAsync();
        }
        await cluster.StopImmediatelyAsync();
        Directory.Delete(cluster.DataDirectory, recursive: true);
        Directory.Move(saved, cluster.DataDirectory);
        await cluster.StartAsync();
    }

    static async Task GoOnOnAnotherTimelineAsync(IncrementalBench bench)
    {
        await bench.Cluster.StopAsync();
        await File.WriteAllBytesAsync(Path.Combine(bench.Cluster.DataDirectory, "standby.signal"), []);
        await bench.Cluster.StartAsync();
        await bench.Cluster.PromoteAsync();
    }

    /// <summary>As soon as it is not in use: each attempt of the receiver uses it for a moment.</summary>
    static Task DropSlotAsync(IncrementalBench bench) => Eventually.IsTrueAsync(
        async () =>
        {
            await bench.Cluster.SqlAsync("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active");
            return await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots") == 0;
        },
        "the slot is dropped");

    static async Task RemoveOldWalAsync(IncrementalBench bench)
    {
        foreach (var statement in (string[])["SELECT pg_switch_wal()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"])
        {
            await bench.Cluster.SqlAsync(statement);
        }
    }

    static Task<RestorePlan> PlanAsync(IncrementalBench bench, BackupId? id) => RestoreJob.PlanAsync(
        new() { Locations = bench.Reception.Locations, Server = bench.Reception.Config.Name, Target = Path.Combine(bench.Reception.Rig.RestoreDirectory, "new"), Backup = id }, default);
}
