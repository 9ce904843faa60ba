using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoreHistoryTests
{
    [Fact]
    public async Task With_the_source_at_rest_the_files_equal_a_pg_basebackups_page_for_page()
    {
        await using var server = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off"] });
        var place = await server.NewDirectoryAsync("elsewhere");
        await server.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await server.SqlAsync("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 30000) i; CREATE INDEX ON t (md5) TABLESPACE elsewhere; DELETE FROM t WHERE i % 3 = 0; CREATE UNLOGGED TABLE u AS SELECT 1 AS i");
        await server.SqlAsync("VACUUM t");
        await server.SqlAsync("CHECKPOINT");
        using var backup = new HandMadeBackup(server);
        await backup.TakeAsync();
        using var scratch = new Scratch("comparison");
        await PostgresUser.OwnAsync(scratch.Path);
        var (restored, copy) = (Path.Combine(scratch.Path, "restored"), Path.Combine(scratch.Path, "copy"));
        (await server.RunAsync("pg_basebackup", "--pgdata", copy, "--checkpoint=fast", "--no-sync", $"--tablespace-mapping={place}={scratch.Path}/place")).Checked();

        await RestoreJob.RunAsync(Options(backup, restored), null, default);

        // The unlogged table's main fork is left out by pg_basebackup alone: this test's own backup takes files as they are.
        var unlogged = await server.ScalarAsync<string>("SELECT pg_relation_filepath('u')");
        var differences = ClusterComparison.Differences(restored, copy, "tablespaces", unlogged);
        Assert.DoesNotContain(differences, static d => !d.StartsWith("global/pg_control", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task After_a_promotion_the_restore_follows_the_new_timeline(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(version);
        using var backup = new HandMadeBackup(primary);
        await primary.SqlAsync("CREATE TABLE t (i int)");
        await backup.TakeAsync();
        await using var standby = await primary.StartStandbyAsync();
        await primary.SqlAsync("INSERT INTO t VALUES (1)");
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<long>("SELECT count(*) FROM t") == 1, "the row arrives");
        await backup.ReceiveAsync();
        await standby.PromoteAsync();
        await standby.SqlAsync("INSERT INTO t VALUES (2)");
        await standby.SqlAsync("CHECKPOINT");
        await backup.ReceiveAsync(standby);
        // The old primary goes on alone, and what it writes was received too.
        await primary.SqlAsync("INSERT INTO t VALUES (99)");
        await primary.SqlAsync("SELECT pg_switch_wal()");
        await primary.SqlAsync("INSERT INTO t VALUES (99)");
        await backup.ReceiveAsync();

        // The new one wins.
        using var scratch = new Scratch("restored");
        var (target, old) = (Path.Combine(scratch.Path, "new"), Path.Combine(scratch.Path, "old"));
        var result = await RestoreJob.RunAsync(Options(backup, target), null, default);
        Assert.Equal(new TimelineId(2), result.Timeline);
        Assert.Contains(result.Warnings, w => w.StartsWith("timeline 1 went on", StringComparison.Ordinal));
        await using (var restored = await StartAsync(target, standby))
        {
            Assert.Equal(["1", "2"], await restored.ListAsync("SELECT i FROM t ORDER BY i"));
            await restored.SqlAsync("CHECKPOINT");
            Assert.Equal(3, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
        }

        // The old one on request; its new timeline is none that exists.
        result = await RestoreJob.RunAsync(Options(backup, old) with { Timeline = new(new(1)) }, null, default);
        Assert.Equal(new TimelineId(1), result.Timeline);
        await using (var restored = await StartAsync(old, standby))
        {
            Assert.Equal(["1", "99", "99"], await restored.ListAsync("SELECT i FROM t ORDER BY i"));
            await restored.SqlAsync("CHECKPOINT");
            Assert.Equal(3, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
        }

        // One that does not exist.
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(Options(backup, Path.Combine(scratch.Path, "none")) with { Timeline = new(new(7)) }, null, default));
        Assert.Equal(ErrorKind.TargetUnreachable, error.Kind);
        Assert.Contains("timelines 1 and 2", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_at_which_another_timeline_was_written_than_the_one_that_is_followed_is_restored_with_a_word_on_the_other()
    {
        await using var primary = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off", "wal_keep_size = 256MB", RowWriter.Setting] });
        using var backup = new HandMadeBackup(primary);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(primary);
        await backup.TakeAsync();
        await using var standby = await primary.StartStandbyAsync();
        var shared = await writer.CommitAsync(primary);
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<long>("SELECT count(*) FROM t") == 1, "the row arrives");
        await standby.SqlAsync("ALTER SYSTEM SET primary_conninfo = ''");
        await standby.SqlAsync("SELECT pg_reload_conf()");
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<long>("SELECT count(*) FROM pg_stat_wal_receiver") == 0, "the standby receives no more");
        // The old one goes on alone, before and after the standby begins its own timeline.
        var alone = await writer.CommitAsync(primary);
        await standby.PromoteAsync();
        var begun = DateTimeOffset.UtcNow;
        await standby.SqlAsync("CHECKPOINT");
        await writer.CommitAsync(primary);
        await writer.CommitAsync(standby);
        await backup.ReceiveAsync();
        await backup.ReceiveAsync(standby);
        await backup.HearAsync(2);

        using var scratch = new Scratch("restored");
        var options = Options(backup, scratch.Path) with { SuitsTarget = true, Until = RecoveryTarget.AtTime(alone.Time) };
        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal((new TimelineId(2), shared.Xid), (plan.Route.History.Timeline, plan.Stop!.LastCommit!.Value.Xid));
        var warning = Assert.Single(plan.Warnings, static w => w.Contains("--target-tli 1", StringComparison.Ordinal));
        Assert.Contains($"transaction {alone.Xid} was committed on timeline 1", warning, StringComparison.Ordinal);
        var other = await RestoreJob.PlanAsync(options with { Timeline = new(new(1)) }, default);
        Assert.Equal(alone.Xid, other.Stop!.LastCommit!.Value.Xid);
        Assert.DoesNotContain(other.Warnings, static w => w.Contains("--target-tli", StringComparison.Ordinal));

        // Neither before both, nor once the one that is followed has begun.
        foreach (var time in (DateTimeOffset[])[shared.Time, begun])
        {
            plan = await RestoreJob.PlanAsync(options with { Until = RecoveryTarget.AtTime(time) }, default);
            Assert.Equal(shared.Xid, plan.Stop!.LastCommit!.Value.Xid);
            Assert.DoesNotContain(plan.Warnings, static w => w.Contains("--target-tli", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_backup_that_is_kept_by_itself_on_an_earlier_timeline_ends_with_a_word_on_that_and_is_not_kept_in_full_in_silence()
    {
        await using var primary = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off", "wal_keep_size = 256MB"] });
        using var backup = new HandMadeBackup(primary);
        await primary.SqlAsync("CREATE TABLE t (i int)");
        var kept = await backup.TakeAsync();
        await using var standby = await primary.StartStandbyAsync();
        for (var i = 0; i < 3; i++)
        {
            await primary.SqlAsync($"INSERT INTO t VALUES ({i})");
            await primary.SqlAsync("SELECT pg_switch_wal()");
        }
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<long>("SELECT count(*) FROM t") == 3, "the rows arrive");
        await backup.ReceiveAsync();
        await standby.PromoteAsync();
        await standby.SqlAsync("CHECKPOINT");
        using var onSecond = new HandMadeBackup(standby, backup.Home);
        await onSecond.TakeAsync();
        await backup.HearAsync(2);
        using var scratch = new Scratch("restored");
        var options = Options(backup, scratch.Path) with { Backup = kept };
        Assert.Equal(new TimelineId(2), (await RestoreJob.PlanAsync(options, default)).Route.History.Timeline);

        // What it does not need goes: all that timeline 1 had after it.
        var lineage = await backup.LineageAsync();
        await lineage.Backups.KeepAsync(kept, KeepTarget.Standalone, backup.Clock, default);
        Directory.Delete(await backup.SpoolAsync(), recursive: true);
        var server = ServerName.Parse(HandMadeBackup.Server);
        await new Collector(await Repository.OpenAsync(backup.RepositoryDirectory, default), server, backup.Locations).RunAsync(Collector.DefaultBudget, default);
        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal(new TimelineId(1), plan.Route.History.Timeline);
        Assert.Single(plan.Warnings, w => w.StartsWith($"backup {kept} is kept by itself, without the WAL after it: the restore ends at {plan.Reached}", StringComparison.Ordinal));
        var missing = await BackupKeeping.SetAsync(await Repository.OpenAsync(backup.RepositoryDirectory, default), server, backup.Locations, kept, KeepTarget.Full, TimeProvider.System, default);
        Assert.Equal(plan.Route.Missing, missing);
    }

    [Fact]
    public async Task A_timeline_that_a_copy_has_archived_is_not_followed_and_that_is_said()
    {
        await using var primary = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(primary);
        await primary.SqlAsync("CREATE TABLE t (i int)");
        await backup.TakeAsync();
        await using var copy = await primary.StartStandbyAsync();
        await copy.PromoteAsync();
        await copy.SqlAsync("CHECKPOINT; SELECT pg_switch_wal()");
        await backup.ReceiveAsync(copy);
        await primary.SqlAsync("INSERT INTO t VALUES (1)");
        await backup.ReceiveAsync();
        await backup.HearAsync(1);

        using var scratch = new Scratch("restored");
        var (target, standby) = (Path.Combine(scratch.Path, "new"), Path.Combine(scratch.Path, "standby"));
        var result = await RestoreJob.RunAsync(Options(backup, target), null, default);
        Assert.Equal(new TimelineId(1), result.Timeline);
        Assert.Contains(result.Warnings, static w => w.StartsWith("timeline 2 is newer, and is not followed: the server is on timeline 1", StringComparison.Ordinal));
        await using (var restored = await StartAsync(target, primary))
        {
            Assert.Equal(["1"], await restored.ListAsync("SELECT i FROM t"));
        }

        // Neither to a target nor by a standby; only where it is named.
        Assert.Equal(new TimelineId(1), (await RestoreJob.PlanAsync(Options(backup, standby) with { Until = Barkeep.Recovery.RecoveryTarget.Immediate }, default)).Route.History.Timeline);
        Assert.Equal(new TimelineId(1), (await RestoreJob.PlanAsync(Options(backup, standby) with { IsStandby = true }, default)).Recovery.Timeline);
        Assert.Equal(new TimelineId(2), (await RestoreJob.PlanAsync(Options(backup, standby) with { Timeline = new(new(2)) }, default)).Route.History.Timeline);
    }

    [Fact]
    public async Task A_promotion_of_which_only_the_history_was_received_ends_where_it_began()
    {
        await using var primary = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(primary);
        await primary.SqlAsync("CREATE TABLE t (i int)");
        await backup.TakeAsync();
        await using var standby = await primary.StartStandbyAsync();
        await primary.SqlAsync("INSERT INTO t VALUES (1)");
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<long>("SELECT count(*) FROM t") == 1, "the row arrives");
        await backup.ReceiveAsync();
        await standby.PromoteAsync();
        await (await backup.LineageAsync()).Wal.PutHistoryAsync(new(2), await File.ReadAllBytesAsync(Path.Combine(standby.DataDirectory, "pg_wal/00000002.history")), default);

        using var scratch = new Scratch("restored");
        var result = await RestoreJob.RunAsync(Options(backup, scratch.Path), null, default);
        Assert.Equal(new TimelineId(2), result.Timeline);
        await using var restored = await StartAsync(scratch.Path, standby);
        Assert.Equal(["1"], await restored.ListAsync("SELECT i FROM t"));
        await restored.SqlAsync("CHECKPOINT");
        Assert.Equal(3, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
    }

    [Fact]
    public async Task After_kill_9_of_the_source_every_acknowledged_transaction_is_restored()
    {
        await using var reception = await Reception.PrepareAsync(new TestClusterOptions { Configuration = ["synchronous_commit = on"] });
        await reception.CreateSlotAsync();
        reception.Start();
        await reception.PhaseAsync(Barkeep.Received.ReceiverPhase.Streaming);
        await reception.Cluster.SqlAsync($"ALTER SYSTEM SET synchronous_standby_names = '{reception.Config.ApplicationName}'");
        await reception.Cluster.SqlAsync("SELECT pg_reload_conf()");
        using var backup = new HandMadeBackup(reception.Cluster, reception.Rig.Home) { ServerName = reception.Config.Name.ToString(), TakesWal = false };
        await backup.TakeAsync(complete: false);

        using var stop = new CancellationTokenSource();
        var writing = reception.KeepWritingAsync(stop.Token);
        await Eventually.IsTrueAsync(() => reception.Lineage.Wal.ListSegmentsAsync(default).Result.Count > 5, "WAL is stored");
        await reception.Cluster.KillAsync();
        await stop.CancelAsync();
        var acknowledged = await writing;
        Assert.True(acknowledged > 0);
        await reception.StopAsync();

        using var scratch = new Scratch("restored");
        var result = await RestoreJob.RunAsync(new() { Locations = reception.Locations, Server = reception.Config.Name, Target = scratch.Path }, null, default);
        Assert.Contains(result.Disarmed, d => d.Name == "synchronous_standby_names");
        await using var restored = await StartAsync(scratch.Path, reception.Cluster);
        var found = await restored.ScalarAsync<long>("SELECT count(DISTINCT i) FROM busy");
        Assert.InRange(found, acknowledged, acknowledged + 1);
        Assert.Equal(found * 100, await restored.ScalarAsync<long>("SELECT count(*) FROM busy"));
        await ClusterSoundness.CheckAndStopAsync(restored);
    }

    static async Task<TestCluster> StartAsync(string target, TestCluster like)
    {
        var restored = await TestCluster.OnDirectoryAsync(target, like);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        return restored;
    }

    static RestoreOptions Options(HandMadeBackup backup, string target) =>
        new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };
}
