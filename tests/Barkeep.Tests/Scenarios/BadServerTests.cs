using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Servers that cannot be backed up as they are, and what is said of each.</summary>
public sealed class BadServerTests
{
    [Fact]
    public async Task A_server_that_is_down_is_unreachable()
    {
        await using var bench = await CommandBench.SetUpAsync();
        await bench.Cluster.StopAsync();
        await bench.RefusedAsync(ErrorKind.ServerUnreachable, "cannot be reached", "setup-barman");
        await bench.RefusedAsync(ErrorKind.ServerUnreachable, "cannot be reached", "barman", "backup", "montagu");
        await bench.RefusedAsync(ErrorKind.ServerUnreachable, "cannot be reached", "barman", "switch-wal", "montagu");

        var check = await bench.BarmanAsync("check", "montagu");
        Assert.Equal((int)ErrorKind.Failed, check.ExitCode);
        Assert.Contains("\tPostgreSQL: FAILED (", check.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_name_that_cannot_be_looked_up_is_told_as_such_whatever_is_to_be_spoken()
    {
        await using var bench = await CommandBench.SetUpAsync();
        // No name of this form is asked for in the DNS.
        bench.Configure(("host", "montagu..invalid"));
        const string Told = "cannot be reached: the host name montagu..invalid cannot be looked up (check host, and this machine's DNS: getent hosts montagu..invalid)";
        await bench.RefusedAsync(ErrorKind.ServerUnreachable, Told, "barman", "backup", "montagu");
        await bench.RefusedAsync(ErrorKind.ServerUnreachable, Told, "barman", "receive-wal", "--create-slot", "montagu");
    }

    [Theory]
    [InlineData("pass_backup", BarkeepRoles.Backup)]
    [InlineData("pass_stream", BarkeepRoles.Stream)]
    public async Task A_wrong_password_is_refused_with_the_role_and_without_the_password(string key, string role)
    {
        await using var bench = await CommandBench.StartAsync();
        bench.Configure((key, "not-the-password"));
        var line = await bench.RefusedAsync(ErrorKind.AuthenticationFailed, role, "setup-barman");
        Assert.DoesNotContain("not-the-password", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_streaming_role_without_replication_is_told_what_it_lacks()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Cluster.SqlAsync($"ALTER ROLE {BarkeepRoles.Stream} NOREPLICATION");
        await bench.RefusedAsync(ErrorKind.NoReplicationPrivilege, $"ALTER ROLE {BarkeepRoles.Stream} WITH REPLICATION", "setup-barman");
    }

    [Fact]
    public async Task A_streaming_role_that_pg_hba_does_not_let_in_is_told_the_line()
    {
        await using var bench = await CommandBench.StartAsync(new() { HostBasedAuthentication = [$"host replication {BarkeepRoles.Stream} all reject"] });
        await bench.RefusedAsync(ErrorKind.NoReplicationPrivilege, $"host replication {BarkeepRoles.Stream}", "setup-barman");
    }

    [Theory]
    [InlineData("EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean)")]
    [InlineData("EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)")]
    [InlineData("pg_read_all_settings")]
    public async Task A_missing_grant_is_named_as_the_statement_that_gives_it(string grant)
    {
        await using var bench = await CommandBench.StartAsync();
        // pg_monitor brings pg_read_all_settings with it.
        await bench.Cluster.SqlAsync($"REVOKE {grant} FROM {BarkeepRoles.Backup}; REVOKE pg_monitor FROM {BarkeepRoles.Backup}");
        await bench.RefusedAsync(ErrorKind.MissingGrant, $"GRANT {grant} TO {BarkeepRoles.Backup}", "setup-barman");
    }

    [Fact]
    public async Task A_grant_that_goes_missing_later_is_named_by_backup_and_check()
    {
        const string Grant = "EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean)";
        await using var bench = await CommandBench.SetUpAsync();
        await bench.Cluster.SqlAsync($"REVOKE {Grant} FROM {BarkeepRoles.Backup}");
        await bench.RefusedAsync(ErrorKind.MissingGrant, $"GRANT {Grant} TO {BarkeepRoles.Backup}", "barman", "backup", "montagu");
        var check = await bench.BarmanAsync("check", "montagu");
        Assert.Equal((int)ErrorKind.Failed, check.ExitCode);
        Assert.Contains($"superuser or standard user with backup privileges: FAILED (missing: GRANT {Grant} TO {BarkeepRoles.Backup})", check.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_minimal_wal_level_is_refused_with_the_setting_to_change()
    {
        await using var bench = await CommandBench.StartAsync(new() { Configuration = ["wal_level = minimal", "max_wal_senders = 0"] });
        await bench.RefusedAsync(ErrorKind.WalLevelMinimal, "ALTER SYSTEM SET wal_level = replica", "setup-barman");
    }

    [Fact]
    public async Task No_free_wal_sender_is_told_with_the_setting_to_raise()
    {
        await using var bench = await CommandBench.StartAsync(new() { Configuration = ["max_wal_senders = 1"] });
        await using var taken = await OccupyAsync(bench.Cluster, slot: null);
        await bench.RefusedAsync(ErrorKind.NoFreeWalSender, "max_wal_senders", "setup-barman");
    }

    [Fact]
    public async Task A_slot_that_another_client_uses_is_refused_with_who_it_is()
    {
        await using var bench = await CommandBench.StartAsync();
        bench.Configure(("slot_name", "shared"));
        await bench.Cluster.SqlAsync("SELECT pg_create_physical_replication_slot('shared', true)");
        await using var taken = await OccupyAsync(bench.Cluster, "shared");
        var line = await bench.Rig.RunAsync("setup-barman");
        Assert.Equal((int)ErrorKind.SlotInUse, line.ExitCode);
        Assert.Contains($"replication slot shared is used by process {await bench.Cluster.ScalarAsync<int>("SELECT active_pid FROM pg_replication_slots")}, application other-client, user postgres, from 127.0.0.1", line.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(bench.Rig.Home, "montagu", "server.json")));
    }

    [Fact]
    public async Task A_slot_that_is_missing_is_told_by_check_and_by_dropping_it_again()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await bench.Cluster.SqlAsync("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
        var check = await bench.BarmanAsync("check", "montagu");
        Assert.Equal((int)ErrorKind.Failed, check.ExitCode);
        Assert.Contains("replication slot: FAILED (slot 'barkeep_montagu_", check.Output, StringComparison.Ordinal);
        var drop = await bench.BarmanAsync("receive-wal", "--drop-slot", "montagu");
        Assert.Equal((int)ErrorKind.SlotMissing, drop.ExitCode);
    }

    [Fact]
    public async Task A_slot_in_use_is_dropped_once_it_is_free_and_not_while_the_receiver_runs()
    {
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        var line = await bench.RefusedAsync(ErrorKind.SlotInUse, "dropping the replication slot barkeep_montagu_", "barman", "receive-wal", "--drop-slot", "montagu");
        Assert.Contains("barman receive-wal --stop montagu", line, StringComparison.Ordinal);

        // As the server has it for a while whose receiver has ended without its noticing.
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        var slot = await bench.Cluster.ScalarAsync<string>("SELECT slot_name::text FROM pg_replication_slots");
        await Eventually.IsTrueAsync(async () => !await bench.Cluster.ScalarAsync<bool>("SELECT active FROM pg_replication_slots"), "the receiver's slot is free");
        BarkeepProcess drop;
        await using (await OccupyAsync(bench.Cluster, slot))
        {
            drop = bench.Rig.Start("barman", "receive-wal", "--drop-slot", "montagu");
            await drop.PrintsAsync("Dropping physical replication slot");
        }
        (await drop.ExitAsync(TimeSpan.FromMinutes(1))).Checked();
        Assert.Equal(0, await bench.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));
    }

    [Fact]
    public async Task Another_cluster_at_the_same_address_is_refused_until_it_is_accepted()
    {
        await using var bench = await CommandBench.SetUpAsync();
        await using var other = await TestCluster.StartNewAsync();
        var roles = await other.CreateBarkeepRolesAsync();
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        bench.Rig.WriteServer(CommandBench.Server, other, roles);

        var line = await bench.RefusedAsync(ErrorKind.WrongSystem, "another database cluster answers", "setup-barman");
        Assert.Contains("--accept-new-system", line, StringComparison.Ordinal);
        await bench.RefusedAsync(ErrorKind.WrongSystem, "another database cluster answers", "barman", "backup", "montagu");
        Assert.Contains("systemid coherence: FAILED", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.Equal(0, await other.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));

        (await bench.Rig.RunAsync("setup-barman", "--accept-new-system")).Checked();
        // The backup of the old cluster is still listed, and can be restored.
        Assert.Equal(2, (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines.Length);
    }

    // A replication connection of another program's, streaming from a slot if one is named.
    static async Task<IAsyncDisposable> OccupyAsync(TestCluster cluster, string? slot)
    {
        var process = await Streamer.StartAsync(cluster, "other-client", slot);
        await Eventually.IsTrueAsync(async () => await cluster.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'other-client'") == 1, "another client streams");
        return process;
    }
}
