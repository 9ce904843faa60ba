using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>cron and serve keep a server where it should be.</summary>
public sealed class CronTests
{
    [Fact]
    public async Task Before_setup_neither_cron_nor_serve_touches_the_database()
    {
        await using var bench = await CommandBench.StartAsync(new() { Configuration = ["log_connections = on"] });
        var serve = bench.Rig.Start("barkeep", "serve");
        await serve.PrintsAsync("serves");
        Assert.Equal("", (await bench.BarmanAsync("cron")).Checked().Output);
        Assert.Empty(bench.Rig.Processes("receive-wal"));
        Assert.DoesNotContain("user=barman", await File.ReadAllTextAsync(bench.Cluster.LogFile), StringComparison.Ordinal);
        Assert.DoesNotContain("user=streaming_barman", await File.ReadAllTextAsync(bench.Cluster.LogFile), StringComparison.Ordinal);
        serve.Send(Signal.Terminate);
        Assert.Equal(0, (await serve.ExitAsync(TimeSpan.FromSeconds(10))).ExitCode);
    }

    [Fact]
    public async Task Cron_restarts_a_dead_receiver_once_and_otherwise_changes_nothing()
    {
        await using var bench = await CommandBench.SetUpAsync();
        var first = Assert.Single(bench.Rig.Processes("receive-wal"));
        // WAL from before the first backup goes, if there is any.
        (await bench.BarmanAsync("cron")).Checked();
        Assert.Equal("", (await bench.BarmanAsync("cron")).Checked().Output);
        Assert.Equal(first, Assert.Single(bench.Rig.Processes("receive-wal")));

        Signal.Kill.Send(first);
        // A process that dies loses its command line before its files and their locks.
        var duty = Path.Combine(bench.Rig.Home, ".montagu-receive-wal.lock");
        await Eventually.IsTrueAsync(() => bench.Rig.Processes("receive-wal").Count == 0 && !DutyLock.IsHeld(duty), "the receiver is gone");
        Assert.Equal("Starting streaming archiver for server montagu\n", (await bench.BarmanAsync("cron")).Checked().Output);
        await Eventually.IsTrueAsync(() => bench.Rig.Processes("receive-wal").Count == 1, "another receiver runs");
        await Eventually.IsTrueAsync(async () => (await bench.BarmanAsync("check", "montagu")).ExitCode == 0, "all is well again");
    }

    [Fact]
    public async Task Two_crons_at_once_do_not_meet()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        using (DutyLock.TryTake(Path.Combine(bench.Rig.Home, ".montagu-cron.lock")))
        {
            Assert.Equal("Another cron process is already running on server montagu. Skipping to the next server\n", (await bench.BarmanAsync("cron")).Checked().Output);
        }
        Assert.Equal("", (await bench.BarmanAsync("cron")).Checked().Output);
    }

    [Fact]
    public async Task A_cron_that_is_held_up_does_not_keep_the_next_from_starting_a_dead_receiver()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        using (DutyLock.TryTake(Path.Combine(bench.Rig.Home, ".montagu-cron.lock")))
        {
            Assert.StartsWith("Starting streaming archiver for server montagu\nAnother cron process", (await bench.BarmanAsync("cron")).Checked().Output, StringComparison.Ordinal);
            await Eventually.IsTrueAsync(() => bench.Rig.Processes("receive-wal").Count == 1, "a receiver runs");
        }
    }

    [Fact]
    public async Task W1_after_a_gap_cron_takes_a_new_backup_by_itself()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["max_slot_wal_keep_size = 2MB", "max_wal_size = 4MB", "min_wal_size = 2MB"] });
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 12000) i");
        await bench.Cluster.SqlAsync("CHECKPOINT");
        Assert.Equal("lost", await bench.Cluster.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots"));

        await Eventually.IsTrueAsync(async () =>
        {
            (await bench.BarmanAsync("cron")).Checked();
            return (await bench.BarmanAsync("list-backup", "montagu")).OutputLines.Count(static l => l.Contains("Size:", StringComparison.Ordinal) && !l.Contains("WAITING", StringComparison.Ordinal)) == 2;
        }, "cron has taken a second backup");
        var check = await Eventually.GivesAsync(() => bench.BarmanAsync("check", "montagu"), static c => c.ExitCode == 0, "all is well again");
        Assert.Contains("WAL gaps: OK (1 before the newest backup)", check.Output, StringComparison.Ordinal);
        Assert.Contains("WAL gaps: ", (await bench.BarmanAsync("status", "montagu")).Checked().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_does_what_cron_does_collects_orphans_and_ends_its_children_when_it_is_stopped()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        var serve = bench.Rig.Start("barkeep", "serve");
        await Eventually.IsTrueAsync(() => bench.Rig.Processes("receive-wal").Count == 1, "serve has started the receiver");
        var receiver = Assert.Single(bench.Rig.Processes("receive-wal"));
        await Eventually.IsTrueAsync(() => ProcessTable.Children(serve.Pid).Contains(receiver), "the receiver belongs to serve");

        Signal.Kill.Send(receiver);
        await Eventually.IsTrueAsync(() => !ProcessTable.Pids().Contains(receiver), "no zombie is left");

        (await bench.BarmanAsync("cron")).Checked();
        serve.Send(Signal.Terminate);
        Assert.Equal(0, (await serve.ExitAsync(TimeSpan.FromSeconds(10))).ExitCode);
        Assert.Empty(ProcessTable.Children(serve.Pid));
    }
}
