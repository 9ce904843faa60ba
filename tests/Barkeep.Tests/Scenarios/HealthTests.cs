using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Every fault changes what check says and its exit code; nothing else does.</summary>
public sealed class HealthTests
{
    [Fact]
    public async Task S5_W10_a_stopped_receiver_fails_the_check_and_what_the_server_keeps_for_it_is_shown()
    {
        await using var bench = await CommandBench.SetUpAsync();
        await ExpectAsync(bench, "receive_wal_running", "OK");
        var receiver = Assert.Single(bench.Rig.Processes("receive-wal"));

        // It holds its lock and its connection, and does nothing.
        Signal.Stop.Send(receiver);
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 20000) i");
        var hint = await ExpectAsync(bench, "receive_wal_running", "FAILED");
        Assert.Contains("no sign of life", hint, StringComparison.Ordinal);
        Assert.Matches(@"^\d\d\.\d MiB retained", await HintAsync(bench, "replication_slot"));

        Signal.Continue.Send(receiver);
        await ExpectAsync(bench, "receive_wal_running", "OK");
    }

    [Fact]
    public async Task W10_wal_that_is_about_to_be_lost_fails_the_check()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["max_slot_wal_keep_size = 8MB", "max_wal_size = 4MB", "min_wal_size = 2MB"] });
        Assert.Contains("more until loss", await HintAsync(bench, "replication_slot"), StringComparison.Ordinal);
        Signal.Stop.Send(Assert.Single(bench.Rig.Processes("receive-wal")));
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 8000) i");
        var hint = await ExpectAsync(bench, "replication_slot", "FAILED");
        Assert.Contains("WAL is about to be lost", hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task S5_a_dead_receiver_a_lost_server_and_an_unwritable_home_each_fail_the_check()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
        Assert.Equal(0, (await bench.BarmanAsync("check", "--nagios", "montagu")).ExitCode);

        Signal.Kill.Send(Assert.Single(bench.Rig.Processes("receive-wal")));
        await ExpectAsync(bench, "receive_wal_running", "FAILED");
        var nagios = await bench.BarmanAsync("check", "--nagios", "montagu");
        Assert.Equal(2, nagios.ExitCode);
        Assert.StartsWith("BARMAN CRITICAL - server montagu has issues * montagu FAILED: ", nagios.Output, StringComparison.Ordinal);
        (await bench.BarmanAsync("cron")).Checked();
        await ExpectAsync(bench, "receive_wal_running", "OK");

        var home = Path.Combine(bench.Rig.Home, "montagu");
        File.SetUnixFileMode(home, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await ExpectAsync(bench, "directories", "FAILED");
        File.SetUnixFileMode(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await ExpectAsync(bench, "directories", "OK");

        await bench.Cluster.KillAsync();
        await ExpectAsync(bench, "postgresql", "FAILED");
        await ExpectAsync(bench, "receive_wal_running", "FAILED");
        await bench.Cluster.StartAsync();
        await ExpectAsync(bench, "receive_wal_running", "OK");
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
    }

    [Fact]
    public async Task A_damaged_page_is_in_the_check_with_its_relation_file_and_block()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE hurt AS SELECT i, repeat('x', 500) AS x FROM generate_series(1, 1000) i; CHECKPOINT");
        var file = await bench.Cluster.ScalarAsync<string>("SELECT pg_relation_filepath('hurt')");
        await bench.Cluster.StopAsync();
        await using (var pages = File.OpenWrite(Path.Combine(bench.Cluster.DataDirectory, file)))
        {
            pages.Position = (8192 * 3) + 4000;
            pages.Write("garbage"u8);
        }
        await bench.Cluster.StartAsync();

        Assert.Equal((int)ErrorKind.Failed, (await bench.Rig.RunAsync("setup-barman")).ExitCode);
        var hint = await ExpectAsync(bench, "damaged_pages", "FAILED");
        Assert.Contains("hurt", hint, StringComparison.Ordinal);
        Assert.Contains($"block 3 ({file})", hint, StringComparison.Ordinal);
        Assert.Contains("block 3", (await bench.BarmanAsync("show-backup", "montagu", "latest")).Checked().Output, StringComparison.Ordinal);
    }

    // The outcome follows the fault in seconds; the exit code must follow the outcome at once.
    static async Task<string> ExpectAsync(CommandBench bench, string key, string status)
    {
        var (_, json) = await Eventually.GivesAsync(async () => await CheckAsync(bench), seen => seen.Json[key]?["status"]?.GetValue<string>() == status, $"check says {key}: {status}");
        return json[key]!["hint"]!.GetValue<string>();
    }

    static async Task<string> HintAsync(CommandBench bench, string key) => (await CheckAsync(bench)).Json[key]!["hint"]!.GetValue<string>();

    static async Task<(int Code, JsonObject Json)> CheckAsync(CommandBench bench)
    {
        var result = await bench.BarmanAsync("-f", "json", "check", "montagu");
        var json = JsonNode.Parse(result.Output)!["montagu"]!.AsObject();
        Assert.Equal(json.All(static f => f.Value!["status"]!.GetValue<string>() == "OK") ? 0 : 1, result.ExitCode);
        return (result.ExitCode, json);
    }
}
