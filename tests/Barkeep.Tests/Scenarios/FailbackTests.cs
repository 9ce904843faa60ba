using Barkeep.Received;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A server that was promoted elsewhere, received from there for a while, and went back: check, setup and restores follow it, and not the newest timeline.</summary>
public sealed class FailbackTests
{
    [Fact]
    public async Task Check_setup_and_restores_agree_on_where_the_server_is_whichever_way_it_went()
    {
        // 1. A backup, a promoted standby that is followed, the old primary again, and a backup of that.
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off"] });
        var first = Assert.Single(await BackupsAsync(bench));
        await FillAsync(bench, bench.Cluster);
        await using var standby = await bench.Cluster.StartStandbyAsync();
        await Eventually.IsTrueAsync(async () => await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND replay_lsn = pg_current_wal_lsn()") == 1, "the standby has everything");
        await bench.Cluster.StopAsync();
        await standby.PromoteAsync();
        await ConnectAsync(bench, standby, first);
        await FillAsync(bench, standby);
        await standby.StopAsync();
        HurtPart(bench);
        await bench.Cluster.StartAsync();
        await ConnectAsync(bench, bench.Cluster, first);
        await bench.Cluster.SqlAsync("CREATE TABLE back AS SELECT i FROM generate_series(1, 100) i");
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        await FillAsync(bench, bench.Cluster);
        var second = (await BackupsAsync(bench))[1];

        // 2. The newest backup is the one that check names and that is restored, on the old timeline.
        await CheckSaysAsync(bench, $"usable backup: OK ({second})");
        Assert.Contains("timeline 2 is newer, and is not followed: the server is on timeline 1, as its receiver has last heard", await PlanAsync(bench, second, 1), StringComparison.Ordinal);
        using var scratch = new Scratch("restored");
        var target = Path.Combine(scratch.Path, "data");
        (await bench.BarmanAsync("restore", "montagu", "latest", target)).Checked();
        await PostgresUser.OwnAsync(scratch.Path);
        await using (var restored = await TestCluster.OnDirectoryAsync(target, bench.Cluster))
        {
            await restored.StartAsync();
            await restored.RecoveredAsync();
            Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(await RowDigest.TakeAsync(bench.Cluster)));
        }

        // 3. That stays known when the server is gone and a receiver starts anew, and is inferred when the receiver's word is lost.
        await bench.Cluster.StopAsync();
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        (await bench.BarmanAsync("cron")).Checked();
        var state = Path.Combine(bench.Rig.Home, "montagu/streaming/state.json");
        await Eventually.IsTrueAsync(() => ReceiverState.TryRead(state) is { Phase: ReceiverPhase.Waiting }, "the receiver waits for the server");
        Assert.Contains("as its receiver has last heard", await PlanAsync(bench, second, 1), StringComparison.Ordinal);
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        File.Delete(state);
        Assert.Contains($"WHICH TIMELINE THE SERVER IS ON IS NOT KNOWN, for there is no word of its receiver here: timeline 1 is followed, because the newest backup, {second},", await PlanAsync(bench, second, 1), StringComparison.Ordinal);

        // 4. On the standby once more the first one counts.
        await standby.StartAsync();
        await ConnectAsync(bench, standby, first);
        await CheckSaysAsync(bench, $"usable backup: OK ({first}; backup {second} is newer, and on timeline 1, which the server has left)");
        Assert.Contains($"backup {second} is newer, and is passed over: it is on timeline 1", await PlanAsync(bench, first, 2), StringComparison.Ordinal);
        (await bench.BarmanAsync("cron")).Checked();
        Assert.Equal([first, second], await BackupsAsync(bench));
    }

    static async Task ConnectAsync(CommandBench bench, TestCluster cluster, string backup)
    {
        bench.Configure(("port", cluster.Port));
        Assert.Contains($"Backup {backup} exists; taking no other", (await bench.Rig.RunAsync("setup-barman")).Checked().Output, StringComparison.Ordinal);
    }

    // What was received of the segment in which timeline 1 was left: it cannot be read any more, and the server sends it from its beginning.
    static void HurtPart(CommandBench bench)
    {
        var part = Assert.Single(Directory.GetFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), "00000001*.partial", SearchOption.AllDirectories));
        var bytes = File.ReadAllBytes(part);
        bytes[^40] ^= 1;
        File.WriteAllBytes(part, bytes);
    }

    // Several segments, which are in the repository when it returns.
    static async Task FillAsync(CommandBench bench, TestCluster cluster)
    {
        await cluster.SqlAsync("CREATE TABLE IF NOT EXISTS t (i int, x text); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();
    }

    static async Task<IReadOnlyList<string>> BackupsAsync(CommandBench bench) =>
        [.. (await bench.BarmanAsync("list-backup", "montagu", "--minimal")).Checked().OutputLines.Order(StringComparer.Ordinal)];

    static Task CheckSaysAsync(CommandBench bench, string line) =>
        Eventually.IsTrueAsync(async () => await bench.BarmanAsync("check", "montagu") is { ExitCode: 0 } check && check.OutputLines.Contains($"\t{line}"), $"check says {line}");

    static async Task<string> PlanAsync(CommandBench bench, string backup, uint timeline)
    {
        var plan = (await bench.BarmanAsync("restore", "montagu", "latest", Path.Combine(bench.Rig.RestoreDirectory, "new"), "--dry-run")).Checked().Output;
        Assert.StartsWith($"backup {backup} of server montagu", plan, StringComparison.Ordinal);
        Assert.Contains($" on timeline {timeline}: ", plan, StringComparison.Ordinal);
        return plan;
    }
}
