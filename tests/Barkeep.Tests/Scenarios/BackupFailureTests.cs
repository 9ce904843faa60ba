using System.Security.Cryptography;
using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupFailureTests
{
    [Fact]
    public async Task B2_a_stopped_backup_is_failed_and_leaves_nothing_here_or_on_the_server()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        var whole = await bench.BackUpAsync();
        var packs = bench.PackFiles();
        // More than fits into one pack, so that one is finished when the backup is stopped.
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "aaa"), RandomNumberGenerator.GetBytes(200 << 20));
        await PostgresUser.OwnAsync(cluster.DataDirectory);

        using var stop = new CancellationTokenSource();
        var (id, running) = await bench.StartAsync(
            BackupBench.Options with { BandwidthLimit = 40 << 10 },
            report => bench.PackFiles().Any(f => f.EndsWith($"/packs/{report.Id}/0001", StringComparison.Ordinal)),
            stop.Token);
        await stop.CancelAsync();
        var stopped = await Assert.ThrowsAsync<BarkeepException>(() => running);

        Assert.Equal(ErrorKind.Interrupted, stopped.Kind);
        var failed = (await bench.ListAsync())[^1];
        Assert.Equal((id, BackupState.Failed), (failed.Id, failed.State));
        Assert.Contains("stopped", failed.Failure, StringComparison.Ordinal);
        Assert.Equal(packs, bench.PackFiles());
        Assert.False(DutyLock.IsHeld(bench.Locations.BackupLock(bench.Server.Name)));
        await BackupBench.NothingIsLeftAsync(cluster);
        Assert.Equal(whole.Id, (await bench.ListAsync())[0].Id);
    }

    [Fact]
    public async Task B2_a_backup_over_a_network_that_is_dead_can_still_be_stopped()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var relay = new TcpRelay(cluster.Port);
        using var bench = BackupBench.Of(cluster);
        bench.Server = bench.Server with { Port = relay.Port };
        using var stop = new CancellationTokenSource();
        var (id, running) = await bench.StartSlowlyAsync(stop.Token);
        relay.Stall();
        await stop.CancelAsync();

        var stopped = await Assert.ThrowsAsync<BarkeepException>(() => running.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(ErrorKind.Interrupted, stopped.Kind);
        Assert.Equal((id, BackupState.Failed), ((await bench.ListAsync())[^1].Id, (await bench.ListAsync())[^1].State));
        Assert.Empty(bench.PackFiles());
    }

    [Theory]
    [InlineData("barkeep backup 2%")]
    [InlineData("barkeep backup reader")]
    public async Task A_lost_connection_ends_the_backup_with_the_reason(string session)
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        var (id, running) = await bench.StartSlowlyAsync();
        Assert.True(await cluster.ScalarAsync<long>($"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE '{session}'") > 0);

        var lost = await Assert.ThrowsAsync<BarkeepException>(() => running);
        Assert.Equal(ErrorKind.ConnectionLost, lost.Kind);
        Assert.Equal((id, BackupState.Failed), ((await bench.ListAsync())[^1].Id, (await bench.ListAsync())[^1].State));
        Assert.Empty(bench.PackFiles());
        await BackupBench.NothingIsLeftAsync(cluster);
    }

    [Fact]
    public async Task B11_a_second_backup_and_its_own_deletion_are_refused_while_one_runs_and_names_its_process()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        using var stop = new CancellationTokenSource();
        var (id, running) = await bench.StartSlowlyAsync(stop.Token);

        var second = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.Busy, second.Kind);
        Assert.Contains($"process {Environment.ProcessId}", second.Message, StringComparison.Ordinal);
        var repository = await Repository.OpenAsync(bench.RepositoryDirectory, default);
        var deletion = await Assert.ThrowsAsync<BarkeepException>(() => new BackupDeletion(repository, bench.Server.Name, bench.Locations, TimeProvider.System).RunAsync(id, default));
        Assert.Equal(ErrorKind.Busy, deletion.Kind);
        // Cleaning must not take the running one for an interrupted one.
        Assert.Null(await CatalogCleaning.TryRunAsync(repository, bench.Server.Name, bench.Locations, TimeProvider.System, default));
        Assert.Equal((id, BackupState.Started), ((await bench.ListAsync())[0].Id, (await bench.ListAsync())[0].State));

        await stop.CancelAsync();
        await Assert.ThrowsAsync<BarkeepException>(() => running);
        // A lock file that names a process which lives, but which nobody holds, stops nothing.
        await File.WriteAllTextAsync(bench.Locations.BackupLock(bench.Server.Name), "1\n");
        await bench.BackUpAsync();
    }

    [Fact]
    public async Task A_full_disk_fails_the_backup_and_leaves_the_earlier_one_whole()
    {
        await using var disk = await LoopDisk.CreateAsync(96);
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster, home: disk.MountPoint);
        var first = await bench.BackUpAsync();
        // What does not compress, and does not fit.
        await cluster.SqlAsync("CREATE TABLE noise AS SELECT md5(random()::text || i) FROM generate_series(1, 500000) i");
        await disk.FillAsync(leaveBytes: 4 << 20);

        var full = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.DiskFull, full.Kind);
        var backups = await bench.ListAsync();
        Assert.Equal([BackupState.WaitingForWals, BackupState.Failed], backups.Select(b => b.State));
        Assert.Contains(disk.MountPoint, backups[1].Failure, StringComparison.Ordinal);
        Assert.All(bench.PackFiles(), f => Assert.Contains($"/{first.Id}/", f, StringComparison.Ordinal));
        await bench.UnpackAsync(first.Id, await cluster.NewDirectoryAsync("first"));
        await BackupBench.NothingIsLeftAsync(cluster);

        disk.Free();
        var third = await bench.BackUpAsync();
        await bench.UnpackAsync(third.Id, await cluster.NewDirectoryAsync("third"));
    }
}
