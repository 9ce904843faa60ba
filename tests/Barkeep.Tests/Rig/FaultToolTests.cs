using Npgsql;
using Xunit;

namespace Barkeep.Tests.Rig;

public sealed class FaultToolTests
{
    [Fact]
    public async Task A_filled_disk_refuses_bytes_until_it_is_freed()
    {
        await using var disk = await LoopDisk.CreateAsync(16);
        var file = Path.Combine(disk.MountPoint, "file");
        await disk.FillAsync();
        var full = Assert.Throws<IOException>(() => File.WriteAllBytes(file, new byte[64 << 10]));
        Assert.Equal(28, full.HResult & 0xFFFF);

        disk.Free();
        File.WriteAllBytes(file, new byte[64 << 10]);
        await disk.RemountAsync(readOnly: true);
        Assert.Throws<IOException>(() => File.WriteAllBytes(file, [1]));
    }

    [Fact]
    public async Task A_blocked_port_is_silent_until_it_is_unblocked()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        var impatient = new NpgsqlConnectionStringBuilder(cluster.ConnectionString()) { Timeout = 1 }.ConnectionString;
        await using (await PortBlock.DropAsync(cluster.Port))
        {
            await using var connection = new NpgsqlConnection(impatient);
            var silent = await Assert.ThrowsAnyAsync<NpgsqlException>(() => connection.OpenAsync());
            Assert.IsType<TimeoutException>(silent.InnerException);
        }
        Assert.Equal(1, await cluster.ScalarAsync<int>("SELECT 1"));
    }

    [Fact]
    public async Task A_relay_passes_cuts_stalls_and_corrupts()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var relay = new TcpRelay(cluster.Port);
        var through = new NpgsqlConnectionStringBuilder(cluster.ConnectionString()) { Port = relay.Port }.ConnectionString;
        await using var connection = new NpgsqlConnection(through);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT repeat('x', 10000)", connection);
        var intact = (string)(await command.ExecuteScalarAsync())!;
        Assert.Equal(new('x', 10_000), intact);

        relay.CorruptAfter(5_000);
        Assert.NotEqual(intact, (string)(await command.ExecuteScalarAsync())!);

        relay.Stall();
        var stalled = command.ExecuteScalarAsync();
        Assert.NotSame(stalled, await Task.WhenAny(stalled, Task.Delay(300)));
        relay.Resume();
        Assert.Equal(intact, (string)(await stalled)!);

        relay.Cut();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => command.ExecuteScalarAsync());
        Assert.Equal(1, relay.Connections);
    }

    [Fact]
    public async Task An_injected_fault_reaches_the_program_that_is_started()
    {
        var directory = RigRoot.NewDirectory("inject");
        var file = Path.Combine(directory, "file");
        await File.WriteAllTextAsync(file, "x");
        var none = new Dictionary<string, string>();

        await using var failing = BarkeepProcess.Start([.. new Strace("fsync:error=EIO").Launch(file + ".strace"), "sync", file], file, none);
        var failed = await failing.ExitAsync();
        await using var elsewhere = BarkeepProcess.Start([.. new Strace("fsync:error=EIO", directory).Launch(file + ".strace"), "sync", file], file, none);
        var spared = await elsewhere.ExitAsync();
        await using var killed = BarkeepProcess.Start([.. new Strace("fsync:signal=KILL").Launch(file + ".strace"), "sync", file], file, none);

        Assert.Contains("Input/output error", failed.Error, StringComparison.Ordinal);
        Assert.Equal(0, spared.ExitCode);
        Assert.Equal(137, (await killed.ExitAsync()).ExitCode);
    }

    [Fact]
    public async Task An_injected_fault_reaches_a_program_that_runs_already()
    {
        var file = Path.Combine(RigRoot.NewDirectory("attach"), "file");
        await using var running = BarkeepProcess.Start(
            ["sh", "-c", """while sync "$0" && echo synced; do :; done; exit 7""", Path.GetDirectoryName(file)!], file, new Dictionary<string, string>());
        await running.PrintsAsync("synced");

        await using (await new Strace("fsync:error=ENOSPC").AttachAsync(running.Pid))
        {
            Assert.Equal(7, (await running.ExitAsync()).ExitCode);
        }
        Assert.Contains("No space left", running.Error, StringComparison.Ordinal);
    }
}
