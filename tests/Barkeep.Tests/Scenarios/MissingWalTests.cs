using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Where restores end too early is shown wherever a user would look, on real servers: WAL that somebody has removed, and timelines to which no backup leads.</summary>
public sealed class MissingWalTests
{
    [Fact]
    public async Task A_segment_that_somebody_has_removed_is_shown_wherever_one_looks_until_the_receiver_has_got_it_again()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["wal_keep_size = 512MB", "autovacuum = off"] });
        await FillAsync(bench, bench.Cluster);
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        await FillAsync(bench, bench.Cluster);
        var (first, second) = ((await BackupsAsync(bench))[0], (await BackupsAsync(bench))[1]);
        Assert.DoesNotContain("GAP", (await bench.BarmanAsync("list-backup", "montagu")).Checked().Output, StringComparison.Ordinal);
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);

        var lost = await RemoveAsync(bench, (segment, size) => segment.Start(size) > first.EndLsn && segment.End(size) <= second.BeginLsn.AlignDown(size.Bytes));
        var missing = $"{lost.Start(new(1 << 20))} to {lost.End(new(1 << 20))}";

        var check = await FailedCheckAsync(bench);
        var finding = Assert.Single(check.OutputLines, static l => l.Contains("FAILED", StringComparison.Ordinal));
        Assert.StartsWith($"\tWAL gaps: FAILED ({missing} on timeline 1: WAL segment {lost} is missing (backup {first.BackupId}); ", finding, StringComparison.Ordinal);
        Assert.DoesNotContain("new backup", finding, StringComparison.Ordinal);
        foreach (var command in (string[])["status", "replication-status", "targets"])
        {
            Assert.Contains($"WAL segment {lost} is missing", (await bench.BarmanAsync(command, "montagu")).Checked().Output, StringComparison.Ordinal);
        }
        var list = (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines;
        Assert.Equal($" - WAL GAP: {missing}", list.Single(l => l.Contains(first.BackupId, StringComparison.Ordinal))[^$" - WAL GAP: {missing}".Length..]);
        Assert.DoesNotContain("GAP", list.Single(l => l.Contains(second.BackupId, StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains($"WAL segment {lost} is missing; restores of this backup end before it", (await bench.BarmanAsync("show-backup", "montagu", "first")).Checked().Output, StringComparison.Ordinal);
        Assert.DoesNotContain("missing", (await bench.BarmanAsync("show-backup", "montagu", "latest")).Checked().Output, StringComparison.Ordinal);
        Assert.Equal("", string.Join('\n', (await bench.BarmanAsync("cron")).Checked().Error.Split('\n').Where(static l => l.Contains("starting a backup", StringComparison.Ordinal))));

        // A receiver that starts anew goes back to it.
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        (await bench.BarmanAsync("cron")).Checked();
        await Eventually.IsTrueAsync(async () => (await bench.BarmanAsync("check", "montagu")).ExitCode == 0, "it has come again");
        Assert.DoesNotContain("GAP", (await bench.BarmanAsync("list-backup", "montagu")).Checked().Output, StringComparison.Ordinal);
        Assert.DoesNotContain("WAL gaps", (await bench.BarmanAsync("status", "montagu")).Checked().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_segment_that_verify_backup_has_found_damaged_counts_as_missing_until_the_receiver_has_got_it_again()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["wal_keep_size = 512MB", "autovacuum = off"] });
        var backup = Assert.Single(await BackupsAsync(bench));
        await FillAsync(bench, bench.Cluster);
        await FillAsync(bench, bench.Cluster);
        var lineage = await LineageAsync(bench);
        var size = lineage.Identity.SegmentSize;
        var hurt = (await lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name).First(s => s.Start(size) > backup.EndLsn);
        var file = FileOf(bench, hurt);
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[bytes.Length / 2] ^= 4;
        await File.WriteAllBytesAsync(file, bytes);

        // Known beforehand, wherever one looks and in a restore.
        Assert.Contains($"DAMAGED: WAL segment {hurt}", (await bench.BarmanAsync("verify-backup", "montagu", "latest")).Output, StringComparison.Ordinal);
        Assert.Contains($"WAL segment {hurt} is damaged (backup {backup.BackupId}); barman put-wal brings WAL back", (await FailedCheckAsync(bench)).Output, StringComparison.Ordinal);
        Assert.Contains($"WAL segment {hurt} is damaged", (await bench.BarmanAsync("targets", "montagu")).Checked().Output, StringComparison.Ordinal);
        Assert.Contains($"WAL GAP: {hurt.Start(size)} to {hurt.End(size)}", (await bench.BarmanAsync("list-backup", "montagu")).Checked().Output, StringComparison.Ordinal);
        var target = Path.Combine(bench.Rig.RestoreDirectory, "new");
        Assert.Contains($"WAL segment {hurt} is damaged: the restore ends at {hurt.Start(size)}", (await bench.BarmanAsync("restore", "montagu", "latest", target, "--dry-run")).Checked().Output, StringComparison.Ordinal);
        var refused = await bench.BarmanAsync("restore", "montagu", "latest", target, "--target-lsn", $"{hurt.End(size)}");
        Assert.Equal((int)ErrorKind.WalGap, refused.ExitCode);
        Assert.Contains($"WAL segment {hurt} is damaged", refused.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(target));
        Assert.Contains("is damaged", (await bench.BarmanAsync("restore", "montagu", "latest", target)).Checked().Error, StringComparison.Ordinal);

        // The receiver goes back to it: it counts as received from the spool on, and is in the place of the damaged one a little later.
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        (await bench.BarmanAsync("cron")).Checked();
        await Eventually.IsTrueAsync(async () => (await bench.BarmanAsync("check", "montagu")).ExitCode == 0, "it has come again");
        bytes[bytes.Length / 2] ^= 4;
        await Eventually.IsTrueAsync(async () => (await File.ReadAllBytesAsync(file)).AsSpan().SequenceEqual(bytes), "it is in the place of the damaged one");
        (await bench.BarmanAsync("verify-backup", "montagu", "latest")).Checked();
    }

    [Fact]
    public async Task A_removed_segment_that_the_server_has_not_got_either_becomes_a_recorded_gap()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off", "max_wal_size = 4MB", "min_wal_size = 2MB", "wal_keep_size = 0"] });
        await FillAsync(bench, bench.Cluster);
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        await FillAsync(bench, bench.Cluster);
        var (first, second) = ((await BackupsAsync(bench))[0], (await BackupsAsync(bench))[1]);
        var lost = await RemoveAsync(bench, (segment, size) => segment.Start(size) > first.EndLsn && segment.End(size) <= second.BeginLsn.AlignDown(size.Bytes));
        await Eventually.IsTrueAsync(
            async () =>
            {
                await bench.Cluster.SqlAsync("CHECKPOINT");
                return !File.Exists(Path.Combine(bench.Cluster.DataDirectory, "pg_wal", $"{lost}"));
            },
            "the server has removed it too");
        await FailedCheckAsync(bench);

        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        (await bench.BarmanAsync("cron")).Checked();
        var check = await Eventually.GivesAsync(() => bench.BarmanAsync("check", "montagu"), static c => c.ExitCode == 0, "it is on record");
        Assert.Contains("WAL gaps: OK (1 before the newest backup)", check.Output, StringComparison.Ordinal);
        Assert.Contains($"WAL GAP: {lost.Start(new(1 << 20))} to {lost.End(new(1 << 20))}", (await bench.BarmanAsync("list-backup", "montagu")).Checked().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_a_segment_of_the_newest_backup_itself_is_gone_it_says_so_and_cron_takes_another()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off"] });
        await FillAsync(bench, bench.Cluster);
        var backup = Assert.Single(await BackupsAsync(bench));
        await RemoveAsync(bench, (segment, size) => segment == SegmentName.Containing(new(1), backup.BeginLsn, size));

        Assert.Contains("; cron takes a new backup)", (await FailedCheckAsync(bench)).Output, StringComparison.Ordinal);
        Assert.Contains("this backup cannot be restored", (await bench.BarmanAsync("show-backup", "montagu", "latest")).Checked().Output, StringComparison.Ordinal);
        await CronTakesOneAsync(bench, 2);
        Assert.DoesNotContain("new backup", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.Equal((int)ErrorKind.WalGap, (await bench.BarmanAsync("restore", "montagu", backup.BackupId, Path.Combine(bench.Rig.RestoreDirectory, "new"), "--dry-run")).ExitCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_failover_to_a_standby_that_lagged_the_backup_is_taken_that_leads_to_the_present(bool byCron)
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off"] }, "--no-initial-backup");
        await using var standby = await bench.Cluster.StartStandbyAsync();
        await standby.StopAsync();
        await FillAsync(bench, bench.Cluster);
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var old = Assert.Single(await BackupsAsync(bench)).BackupId;
        await bench.Cluster.KillAsync();
        await standby.StartAsync();
        await standby.PromoteAsync();
        bench.Configure(("port", standby.Port));

        var setup = await bench.Rig.RunAsync(["setup-barman", .. byCron ? (string[])["--no-initial-backup"] : []]);
        Assert.True(setup.ExitCode == 0, setup.ToString());
        if (byCron)
        {
            var check = await bench.BarmanAsync("check", "montagu");
            Assert.Equal(1, check.ExitCode);
            Assert.StartsWith("\tusable backup: FAILED (no backup leads to timeline 2, on which the server is now and which left timeline 1 at ", Assert.Single(check.OutputLines, static l => l.Contains("FAILED", StringComparison.Ordinal)), StringComparison.Ordinal);
            await CronTakesOneAsync(bench, 2);
        }
        else
        {
            Assert.Contains($"Backup {old} exists, but no backup leads to timeline 2", setup.Output, StringComparison.Ordinal);
        }

        // One is enough, and it is the one that is restored.
        await Eventually.IsTrueAsync(async () => (await bench.BarmanAsync("check", "montagu")).ExitCode == 0, "all is well");
        (await bench.BarmanAsync("cron")).Checked();
        Assert.Equal([1u, 2], (await BackupsAsync(bench)).Select(static b => b.Timeline));
        var plan = (await bench.BarmanAsync("restore", "montagu", "latest", Path.Combine(bench.Rig.RestoreDirectory, "new"), "--dry-run")).Checked();
        Assert.DoesNotContain("NOT RESTORED", plan.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_promotion_the_backup_before_it_goes_on_to_count_until_retention_lets_it_go_with_its_timelines_WAL()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off"] });
        await FillAsync(bench, bench.Cluster);
        await using var standby = await bench.Cluster.StartStandbyAsync();
        await Eventually.IsTrueAsync(async () => await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND replay_lsn = pg_current_wal_lsn()") == 1, "the standby has everything");
        await standby.StopAsync();
        // What the first timeline goes on to, and nobody else has.
        await FillAsync(bench, bench.Cluster);
        await bench.Cluster.KillAsync();
        await standby.StartAsync();
        await standby.PromoteAsync();
        bench.Configure(("port", standby.Port));
        var old = Assert.Single(await BackupsAsync(bench)).BackupId;
        Assert.Contains($"Backup {old} exists; taking no other", (await bench.Rig.RunAsync("setup-barman")).Checked().Output, StringComparison.Ordinal);
        await FillAsync(bench, standby);
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
        Assert.Contains("    Reachable timelines  : 2\n", (await bench.BarmanAsync("show-backup", "montagu", "latest")).Checked().Output, StringComparison.Ordinal);

        // The next one pushes it out, and with it what only it led to.
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        await FillAsync(bench, standby);
        bench.Rig.Environment["BARMAN_MONTAGU_RETENTION_POLICY"] = "REDUNDANCY 1";
        var lineage = await LineageAsync(bench);
        Assert.Contains(await lineage.Wal.ListSegmentsAsync(default), static s => s.Name.Timeline == TimelineId.First);
        (await bench.BarmanAsync("cron")).Checked();
        var left = Assert.Single(await BackupsAsync(bench));
        Assert.Equal(2u, left.Timeline);
        Assert.All(await lineage.Wal.ListSegmentsAsync(default), s => Assert.True(s.Name.Timeline == new TimelineId(2) && s.Name.End(lineage.Identity.SegmentSize) > left.BeginLsn, s.Name.ToString()));

        // It starts, with every row.
        using var scratch = new Scratch("restored");
        var target = Path.Combine(scratch.Path, "data");
        (await bench.BarmanAsync("restore", "montagu", "latest", target)).Checked();
        await PostgresUser.OwnAsync(scratch.Path);
        await using var restored = await TestCluster.OnDirectoryAsync(target, standby);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(await RowDigest.TakeAsync(standby)));
    }

    static async Task<Lineage> LineageAsync(CommandBench bench) => (await Repository.OpenAsync(Path.Combine(bench.Rig.Home, "montagu/repository"), default)).Current!;

    static async Task<List<BackupInfo>> BackupsAsync(CommandBench bench) =>
        [.. (await (await LineageAsync(bench)).Backups.ListAsync(default)).Select(static b => b.Info).OfType<BackupInfo>()];

    // Several segments, which are in the repository when it returns.
    static async Task FillAsync(CommandBench bench, TestCluster cluster)
    {
        await cluster.SqlAsync("CREATE TABLE IF NOT EXISTS t (i int, x text); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();
    }

    static async Task<SegmentName> RemoveAsync(CommandBench bench, Func<SegmentName, SegmentSize, bool> which)
    {
        var lineage = await LineageAsync(bench);
        var lost = (await lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name).First(s => which(s, lineage.Identity.SegmentSize));
        File.Delete(FileOf(bench, lost));
        return lost;
    }

    static string FileOf(CommandBench bench, SegmentName segment) =>
        Directory.EnumerateFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), $"{segment}", SearchOption.AllDirectories).Single(static f => f.Contains("/wal/", StringComparison.Ordinal));

    // Until the receiver has said that it is beyond the segment, it might still come.
    static Task<CommandResult> FailedCheckAsync(CommandBench bench) =>
        Eventually.GivesAsync(() => bench.BarmanAsync("check", "montagu"), static c => c.ExitCode == 1, "check has seen what is missing");

    static Task CronTakesOneAsync(CommandBench bench, int count) => Eventually.IsTrueAsync(
        async () =>
        {
            (await bench.BarmanAsync("cron")).Checked();
            return (await (await LineageAsync(bench)).Backups.ListAsync(default)).Count(static b => b.State == BackupState.Done) == count;
        },
        "cron has taken another backup");
}
