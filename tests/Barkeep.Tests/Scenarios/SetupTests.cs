using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>setup-barman, and how it is run again.</summary>
public sealed class SetupTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_printed_sql_is_all_that_a_server_needs(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(version);
        await using var rig = new BarkeepRig();
        await File.WriteAllTextAsync(Path.Combine(rig.ConfigDirectory, "montagu.json"),
            $$"""{ "host": "127.0.0.1", "port": {{cluster.Port}}, "dbname": "postgres", "pass_backup": "it's a pass%word", "pass_stream": "\u00e9\u00a0other" }""");
        var sql = (await rig.RunAsync("setup-barman", "--print-sql")).Checked().Output;
        Assert.DoesNotContain("pass%word", sql, StringComparison.Ordinal);
        await cluster.SqlAsync(sql);
        await cluster.SqlAsync(sql);
        Assert.Equal(0, await cluster.ScalarAsync<long>("SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname <> 'postgres'"));

        var result = (await rig.RunAsync("setup-barman")).Checked();
        Assert.Contains("Checking barman status of montagu\nServer montagu:\n\tPostgreSQL: OK\n", result.Output, StringComparison.Ordinal);
        Assert.Equal("", result.Error);
        Assert.Contains(" - F - ", Assert.Single((await rig.RunAsync("barman", "list-backup", "all")).Checked().OutputLines), StringComparison.Ordinal);
        (await rig.RunAsync("barman", "switch-wal", "--force", "--archive", "montagu")).Checked();
        (await rig.RunAsync("restore-last")).Checked();

        await using var restored = await TestCluster.OnDirectoryAsync(rig.RestoreDirectory, cluster);
        await restored.StartAsync();
    }

    [Fact]
    public async Task A_rerun_changes_nothing_but_what_has_changed()
    {
        await using var bench = await CommandBench.SetUpAsync();
        var receiver = Assert.Single(bench.Rig.Processes("receive-wal"));
        var again = (await bench.Rig.RunAsync("setup-barman")).Checked();
        Assert.Contains("exists; taking no other", again.Output, StringComparison.Ordinal);
        Assert.Equal(receiver, Assert.Single(bench.Rig.Processes("receive-wal")));
        Assert.Single((await bench.BarmanAsync("list-backup", "montagu")).OutputLines);
        Assert.Equal(1, await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));

        // The receiver takes a changed configuration over.
        bench.Rig.Environment["BARMAN_MONTAGU_APPLICATION_NAME"] = "renamed";
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        Assert.NotEqual(receiver, Assert.Single(bench.Rig.Processes("receive-wal")));
        Assert.Equal("renamed", await bench.Cluster.ScalarAsync<string>("SELECT application_name FROM pg_stat_replication"));
    }

    [Fact]
    public async Task What_the_environment_said_is_remembered_and_a_secrets_file_by_its_name_only()
    {
        await using var bench = await CommandBench.StartAsync();
        var secret = Path.Combine(bench.Rig.ConfigDirectory, "secret");
        await File.WriteAllTextAsync(secret, bench.Roles.StreamPassword + "\n");
        bench.Configure(("pass_backup", null), ("pass_stream", null), ("port", null));
        bench.Rig.Environment["BARMAN_MONTAGU_PASS_BACKUP"] = bench.Roles.BackupPassword;
        bench.Rig.Environment["BARMAN_MONTAGU_PASS_STREAM_FILE"] = secret;
        bench.Rig.Environment["BARMAN_MONTAGU_PORT"] = $"{bench.Cluster.Port}";
        (await bench.Rig.RunAsync("setup-barman")).Checked();

        // A crontab's environment has none of them.
        foreach (var key in bench.Rig.Environment.Keys.Where(static k => k.StartsWith("BARMAN_", StringComparison.Ordinal)).ToList())
        {
            bench.Rig.Environment.Remove(key);
        }
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
        (await bench.BarmanAsync("backup", "montagu")).Checked();
        var remembered = Path.Combine(bench.Rig.Home, "montagu", "server.json");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(remembered));
        var text = await File.ReadAllTextAsync(remembered);
        Assert.Contains(secret, text, StringComparison.Ordinal);
        Assert.DoesNotContain(bench.Roles.StreamPassword, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_steps_that_the_manual_gives_for_removing_it_leave_nothing_on_the_server()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await Eventually.IsTrueAsync(async () => await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE active") == 0, "the server has noticed that the receiver is gone");
        (await bench.BarmanAsync("receive-wal", "--drop-slot", "montagu")).Checked();
        await bench.Cluster.SqlAsync("DROP OWNED BY barman, streaming_barman");
        await bench.Cluster.SqlAsync("DROP ROLE barman, streaming_barman");
        Assert.Equal(0, await bench.Cluster.ScalarAsync<long>("SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_roles WHERE rolname LIKE '%barman')"));
    }

    [Fact]
    public async Task Without_verification_nothing_is_connected_to()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Cluster.StopAsync();
        (await bench.Rig.RunAsync("setup-barman", "--no-verify", "--no-initial-backup")).Checked();
        Assert.Empty(bench.Rig.Processes("receive-wal"));
        Assert.Equal("", (await bench.BarmanAsync("cron")).Checked().Output);
        Assert.NotEqual(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
    }

    [Fact]
    public async Task A_slot_that_another_installation_has_abandoned_is_pointed_out()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Cluster.SqlAsync("SELECT pg_create_physical_replication_slot('barkeep_montagu_abc123', true)");
        var result = (await bench.Rig.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        Assert.Contains("WARNING: replication slot barkeep_montagu_abc123 of another installation is not in use", result.Error, StringComparison.Ordinal);
        Assert.Contains("SELECT pg_drop_replication_slot('barkeep_montagu_abc123')", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_installations_on_one_server_have_slots_of_their_own()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        await using var other = new BarkeepRig();
        other.WriteServer(CommandBench.Server, bench.Cluster, bench.Roles);
        (await other.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        Assert.Equal(2, await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE active"));
    }
}
