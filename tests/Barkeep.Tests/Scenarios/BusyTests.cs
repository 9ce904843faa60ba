using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Commands that meet one another, are interrupted, or find the disk full.</summary>
public sealed class BusyTests
{
    [Fact]
    public async Task A_second_backup_and_the_deletion_of_a_running_one_are_refused_and_a_kill_leaves_a_failed_backup()
    {
        await using var bench = await CommandBench.SetUpAsync();
        var first = Assert.Single((await bench.BarmanAsync("list-backup", "--minimal", "montagu")).OutputLines);

        // A backup that takes an hour.
        var slow = bench.Rig.Start("barman", "backup", "montagu", "--full", "--bwlimit", "10");
        await slow.PrintsAsync("Starting backup copy");
        await bench.RefusedAsync(ErrorKind.Busy, "another backup of server montagu is running", "barman", "backup", "montagu");
        Assert.Contains(" - F - STARTED", (await bench.BarmanAsync("list-backup", "montagu")).OutputLines[0], StringComparison.Ordinal);
        var running = (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).OutputLines[0];
        await bench.RefusedAsync(ErrorKind.Busy, $"backup {running} of server montagu is running", "barman", "delete", "montagu", running);
        await bench.RefusedAsync(ErrorKind.BackupUnusable, running, "barman", "recover", "montagu", running, bench.Rig.RestoreDirectory);
        await bench.RefusedAsync(ErrorKind.BackupUnusable, running, "barman", "list-files", "montagu", running);
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
        (await bench.BarmanAsync("cron")).Checked();

        // Another can be deleted meanwhile; its space comes back later.
        var deleted = (await bench.BarmanAsync("delete", "montagu", first)).Checked();
        Assert.Contains($"by cron: backup {running} is running", deleted.Output, StringComparison.Ordinal);
        Assert.Contains($"not now: backup {running} is running", (await bench.BarmanAsync("gc", "montagu", "--dry-run")).Checked().Output, StringComparison.Ordinal);
        Assert.Equal([running], (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).OutputLines);

        await slow.KillAsync();
        Assert.Contains(" - F - FAILED", (await bench.BarmanAsync("list-backup", "montagu")).OutputLines[0], StringComparison.Ordinal);
        Assert.Contains("failed backups: FAILED (there are 1 failed backups", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        var cron = (await bench.BarmanAsync("cron")).Checked();
        Assert.Contains("was interrupted; it is FAILED now", cron.Error, StringComparison.Ordinal);
        Assert.Contains("freed", cron.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateDirectories(bench.Rig.Home, "packs", SearchOption.AllDirectories).SelectMany(Directory.EnumerateDirectories));
        Assert.Contains("interrupted", (await bench.BarmanAsync("show-backup", "montagu", "last-failed")).Checked().Output, StringComparison.Ordinal);
        Assert.Equal("", (await bench.BarmanAsync("cron")).Checked().Error);

        (await bench.BarmanAsync("delete", "montagu", "last-failed")).Checked();
        Assert.DoesNotContain("failed backups: FAILED", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Signal.Interrupt, 130)]
    [InlineData(Signal.Terminate, 143)]
    public async Task An_interrupted_backup_is_failed_with_its_reason_and_ends_with_the_signals_code(Signal signal, int code)
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        var slow = bench.Rig.Start("barman", "backup", "montagu", "--bwlimit", "100");
        await slow.PrintsAsync("Starting backup copy");
        slow.Send(signal);
        var result = await slow.ExitAsync();
        Assert.Equal(code, result.ExitCode);
        Assert.StartsWith("ERROR: ", result.Error, StringComparison.Ordinal);
        Assert.Contains(" - F - FAILED", (await bench.BarmanAsync("list-backup", "montagu")).Output, StringComparison.Ordinal);
        Assert.Contains("  Error                  : ", (await bench.BarmanAsync("show-backup", "montagu", "last-failed")).Checked().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_fails_the_backup_with_its_own_code_and_leaves_the_earlier_one_whole()
    {
        await using var bench = await CommandBench.StartAsync();
        await using var disk = await LoopDisk.CreateAsync(64);
        bench.Rig.Environment["BARKEEP_HOME"] = disk.MountPoint;
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        var good = (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().Output.Trim();
        // What does not compress, and does not fit.
        await bench.Cluster.SqlAsync("CREATE TABLE noise AS SELECT md5(random()::text || i) FROM generate_series(1, 150000) i");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();
        try
        {
            await disk.FillAsync(leaveBytes: 1 << 20);
            var failed = await bench.BarmanAsync("backup", "montagu");
            Assert.Equal((int)ErrorKind.DiskFull, failed.ExitCode);
            Assert.Contains("no space left on the device", failed.Error, StringComparison.Ordinal);
            var listed = (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines;
            Assert.Contains(" - F - FAILED", listed[0], StringComparison.Ordinal);
            Assert.StartsWith($"montagu {good} - F - ", listed[1], StringComparison.Ordinal);
            Assert.DoesNotContain("FAILED", listed[1], StringComparison.Ordinal);

            // Deleting is what makes room, so it needs none: not even for the locks that it takes here for the first time.
            await disk.FillAsync();
            (await bench.BarmanAsync("delete", "montagu", "last-failed")).Checked();
            Assert.Equal([good], (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);

            disk.Free();
            (await bench.BarmanAsync("backup", "montagu")).Checked();
            (await bench.BarmanAsync("check-backup", "montagu", good)).Checked();
        }
        finally
        {
            (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        }
    }
}
