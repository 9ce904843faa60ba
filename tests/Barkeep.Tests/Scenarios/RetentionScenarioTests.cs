using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What is kept and what is let go, on a real server: through the program, and by what is left starting.</summary>
public sealed class RetentionScenarioTests
{
    [Fact]
    public async Task B10_cron_lets_go_what_the_policy_does_not_want_and_all_that_is_left_starts()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var (rig, lineage) = (bench.Reception.Rig, bench.Reception.Lineage);
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int)");
        var backups = new List<BackupResult>();
        for (var i = 0; i < 5; i++)
        {
            await bench.Cluster.SqlAsync($"INSERT INTO t VALUES ({i})");
            backups.Add(await bench.BackUpAsync());
            // What comes after a backup is in other segments than its end.
            await bench.Cluster.SqlAsync("SELECT pg_switch_wal()");
            await bench.Cluster.SqlAsync("CREATE TABLE filler AS SELECT repeat('x', 1000) AS pad, i FROM generate_series(1, 3000) i; DROP TABLE filler");
        }
        await bench.Cluster.SqlAsync("INSERT INTO t VALUES (99)");
        await bench.Reception.CaughtUpAsync();
        await bench.Reception.ArchivedAsync();
        (await rig.RunAsync("barman", "keep", "main", $"{backups[1].Id}", "--target", "standalone")).Checked();
        Assert.Equal("Server main:\n\tKeep: standalone\n", (await rig.RunAsync("barman", "keep", "main", $"{backups[1].Id}", "--status")).Checked().Output);

        // Said first, and nothing done.
        rig.Environment["BARMAN_MAIN_RETENTION_POLICY"] = "redundancy 2";
        var before = await SegmentsAsync(lineage);
        var plan = (await rig.RunAsync("barman", "cron", "--dry-run")).Checked().Output;
        Assert.Contains($"backup {backups[0].Id} would go: REDUNDANCY 2 does not want it\n", plan, StringComparison.Ordinal);
        Assert.Contains($"backup {backups[1].Id} stays: it is kept until it is released\n", plan, StringComparison.Ordinal);
        Assert.Contains($"backup {backups[4].Id} stays: it is one of the 2 newest\n", plan, StringComparison.Ordinal);
        Assert.Equal(before, await SegmentsAsync(lineage));
        Assert.Equal(5, (await lineage.Backups.ListAsync(default)).Count);
        Assert.Contains($"{backups[2].Id} - I - ", Line(await ListAsync(rig), backups[2].Id), StringComparison.Ordinal);
        Assert.EndsWith(" - OBSOLETE", Line(await ListAsync(rig), backups[2].Id), StringComparison.Ordinal);
        Assert.EndsWith(" - KEEP:STANDALONE", Line(await ListAsync(rig), backups[1].Id), StringComparison.Ordinal);

        var cron = (await rig.RunAsync("barman", "cron")).Checked().Output;
        Assert.Contains($"Enforcing retention policy: removing backup {backups[0].Id} for server main\nEnforcing retention policy: removing backup {backups[2].Id} for server main\n", cron, StringComparison.Ordinal);
        Assert.Equal([backups[1].Id, backups[3].Id, backups[4].Id], (await lineage.Backups.ListAsync(default)).Select(static b => b.Id));
        // Exactly its own range, and all from the oldest other one on.
        var expected = before.Where(s => (s >= Begin(bench, backups[1]) && s <= End(bench, backups[1])) || s >= Begin(bench, backups[3]));
        Assert.Equal(expected, await SegmentsAsync(lineage));
        Assert.DoesNotContain("removing", (await rig.RunAsync("barman", "cron")).Checked().Output, StringComparison.Ordinal);

        // What is left starts, and has its rows: the kept one those of its own end.
        await bench.AssertRestoresAsync(backups[3].Id);
        await bench.AssertRestoresAsync(backups[4].Id);
        var dryRun = await rig.RunAsync("barman", "restore", "main", $"{backups[1].Id}", Path.Combine(rig.RestoreDirectory, "new"), "--dry-run");
        Assert.Contains($"backup {backups[1].Id} is kept by itself, without the WAL after it", dryRun.Output + dryRun.Error, StringComparison.Ordinal);
        Assert.Contains($"backup {backups[1].Id} is kept by itself", (await rig.RunAsync("barman", "targets", "main")).Checked().Output, StringComparison.Ordinal);
        Assert.Equal("0,1", await RestoredRowsAsync(bench, backups[1].Id));

        // It is let go in the end.
        var refusal = await rig.RunAsync("barman", "delete", "main", "oldest");
        Assert.Equal(1, refusal.ExitCode);
        Assert.Contains($"WARNING: Skipping delete of backup {backups[1].Id} for server main as it has a current keep request", refusal.Error, StringComparison.Ordinal);
        (await rig.RunAsync("barman", "keep", "main", "first", "--release")).Checked();
        (await rig.RunAsync("barman", "cron")).Checked();
        Assert.Equal([backups[3].Id, backups[4].Id], (await lineage.Backups.ListAsync(default)).Select(static b => b.Id));
        Assert.Equal(before.Where(s => s >= Begin(bench, backups[3])), await SegmentsAsync(lineage));
    }

    [Fact]
    public async Task A_newest_backup_that_is_kept_by_itself_loses_no_WAL_until_there_is_another()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var (rig, lineage) = (bench.Reception.Rig, bench.Reception.Lineage);
        var first = await bench.BackUpAsync();
        (await rig.RunAsync("barman", "keep", "main", "latest", "--target", "standalone")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i; SELECT pg_switch_wal()");
        await bench.Cluster.SqlAsync("CREATE TABLE u AS SELECT i FROM generate_series(1, 1000) i; SELECT pg_switch_wal()");
        await bench.Reception.CaughtUpAsync();
        (await rig.RunAsync("barman", "cron")).Checked();
        await bench.AssertRestoresAsync(first.Id);

        // The next one takes over.
        var second = await bench.IncrementalAsync(first);
        await bench.Reception.CaughtUpAsync();
        await bench.Reception.ArchivedAsync();
        (await rig.RunAsync("barman", "cron")).Checked();
        Assert.DoesNotContain(await SegmentsAsync(lineage), s => s > End(bench, first) && s < Begin(bench, second));
        await bench.AssertRestoresAsync(second.Id);

        // What is gone is not promised again.
        Assert.Contains("nothing after it can be restored from this backup", (await rig.RunAsync("barman", "keep", "main", "first", "--target", "full")).Checked().Error, StringComparison.Ordinal);
        // Nor is it a loss, or to be received again.
        Assert.Equal($"it was removed while backup {first.Id} was kept by itself", Assert.Single(await lineage.Wal.ListGapsAsync(default)).Reason);
        Assert.Contains("WAL gaps: OK (1 before the newest backup)", (await rig.RunAsync("barman", "check", "main")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delete_does_not_go_below_minimum_redundancy_and_a_dry_run_removes_nothing()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var (rig, lineage) = (bench.Reception.Rig, bench.Reception.Lineage);
        var first = await bench.BackUpAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i");
        var second = await bench.BackUpAsync();
        rig.Environment["BARMAN_MAIN_MINIMUM_REDUNDANCY"] = "2";
        Assert.Contains("minimum redundancy requirements: OK (have 2 backups, expected at least 2)", (await rig.RunAsync("barman", "check", "main")).Output, StringComparison.Ordinal);
        foreach (var option in (string[][])[[], ["--dry-run"]])
        {
            var refusal = await rig.RunAsync(["barman", "delete", "main", $"{first.Id}", .. option]);
            Assert.Equal(1, refusal.ExitCode);
            Assert.Contains(
                $"WARNING: Skipping delete of backup {first.Id} for server main due to minimum redundancy requirements (minimum redundancy = 2, current redundancy = 2)", refusal.Error, StringComparison.Ordinal);
        }

        rig.Environment["BARMAN_MAIN_MINIMUM_REDUNDANCY"] = "1";
        var (packs, segments) = (await lineage.Packs.ListAsync(default), await SegmentsAsync(lineage));
        var plan = (await rig.RunAsync("barman", "delete", "main", $"{second.Id}", "--dry-run")).Checked().Output;
        Assert.StartsWith($"backup {second.Id}: it was asked for\n", plan, StringComparison.Ordinal);
        Assert.Contains($"pack {second.Id}/0001", plan, StringComparison.Ordinal);
        Assert.Contains("would be freed on server main", plan, StringComparison.Ordinal);
        Assert.Equal(packs, await lineage.Packs.ListAsync(default));
        Assert.Equal(segments, await SegmentsAsync(lineage));
        Assert.Equal(2, (await lineage.Backups.ListAsync(default)).Count);

        (await rig.RunAsync("barman", "delete", "main", $"{second.Id}")).Checked();
        Assert.Equal(1, (await rig.RunAsync("barman", "delete", "main", $"{first.Id}")).ExitCode);
        await bench.AssertRestoresAsync(first.Id);
    }

    static async Task<string> RestoredRowsAsync(IncrementalBench bench, BackupId id)
    {
        using var scratch = new Scratch("restored");
        var target = Path.Combine(scratch.Path, "data");
        await RestoreJob.RunAsync(new() { Locations = bench.Reception.Locations, Server = bench.Reception.Config.Name, Target = target, Backup = id }, null, default);
        await PostgresUser.OwnAsync(scratch.Path);
        await using var restored = await TestCluster.OnDirectoryAsync(target, bench.Cluster);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        return await restored.ScalarAsync<string>("SELECT string_agg(i::text, ',' ORDER BY i) FROM t");
    }

    static async Task<List<SegmentName>> SegmentsAsync(Lineage lineage) => [.. (await lineage.Wal.ListSegmentsAsync(default)).Where(static s => !s.IsPartial).Select(static s => s.Name)];

    static async Task<string> ListAsync(BarkeepRig rig) => (await rig.RunAsync("barman", "list-backup", "main")).Checked().Output;

    static string Line(string list, BackupId id) => list.Split('\n').Single(l => l.Contains(id.ToString(), StringComparison.Ordinal));

    static SegmentName Begin(IncrementalBench bench, BackupResult result) => SegmentName.Containing(new(result.Info.Timeline), result.Info.BeginLsn, bench.Reception.Size);

    static SegmentName End(IncrementalBench bench, BackupResult result) => SegmentName.Containing(new(result.Info.Timeline), new(result.Info.EndLsn.Value - 1), bench.Reception.Size);
}
