using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoreConfigurationTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_cluster_that_archives_replicates_and_waits_is_restored_harmless(int version)
    {
        using var scratch = new Scratch("archive");
        await PostgresUser.OwnAsync(scratch.Path);
        var archive = Directory.CreateDirectory(Path.Combine(scratch.Path, "archive")).FullName;
        await PostgresUser.OwnAsync(archive);
        await using var server = await TestCluster.StartNewAsync(new TestClusterOptions
        {
            Version = version,
            Configuration =
            [
                "archive_mode = on", $"archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'", "restore_command = 'cp /nowhere/%f %p'",
                "primary_conninfo = 'host=primary user=repl password=s3cret''quoted'", "recovery_target_name = 'somewhere'", "recovery_min_apply_delay = '8h'",
                "max_connections = 200", "max_prepared_transactions = 20", $"external_pid_file = '{scratch.Path}/pid'",
                "logging_collector = on", $"log_directory = '{scratch.Path}/log'", "listen_addresses = '127.0.0.1'", "huge_pages = try",
            ],
        });
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        await backup.TakeAsync();
        // Only after the backup, so that its own commits do not wait; ALTER SYSTEM's file is part of the next one.
        await server.SqlAsync("ALTER SYSTEM SET synchronous_standby_names = 'barman_receive_wal'");
        await backup.TakeAsync();
        await using (var connection = await server.OpenAsync())
        {
            await using var prepare = new Npgsql.NpgsqlCommand("BEGIN; INSERT INTO t VALUES (0); PREPARE TRANSACTION 'pending'", connection);
            await prepare.ExecuteNonQueryAsync();
        }
        await backup.ReceiveAsync();
        var archived = Directory.GetFiles(archive).Length;

        var target = Path.Combine(scratch.Path, "data");
        var result = await RestoreJob.RunAsync(Options(backup, target), null, default);

        Assert.Equal(
            [
                "archive_command", "archive_mode", "external_pid_file", "hot_standby", "log_directory", "max_logical_replication_workers", "primary_conninfo", "recovery_min_apply_delay",
                "recovery_target_name", "restore_command", "synchronous_standby_names",
            ],
            result.Disarmed.Select(d => d.Name).Order(StringComparer.Ordinal));
        Assert.Equal(result.Disarmed.OrderBy(static d => d.File, StringComparer.Ordinal).ThenBy(static d => d.Line), result.Disarmed);
        Assert.All(result.Disarmed, d => Assert.StartsWith(d.Value is null ? $"# left out by barkeep: {d.Name}" : $"{d.Name} = ", File.ReadAllLines(Path.Combine(target, d.File))[d.Line - 1], StringComparison.Ordinal));
        var told = result.Disarmed.Select(static d => d.ToString()).ToList();
        Assert.Contains(told, static t => t.StartsWith("postgresql.auto.conf line ", StringComparison.Ordinal) && t.EndsWith(": archive_command = false", StringComparison.Ordinal));
        Assert.Contains(told, static t => t.EndsWith(": primary_conninfo = ''", StringComparison.Ordinal));
        Assert.Contains(told, static t => t.StartsWith("postgresql.conf line ", StringComparison.Ordinal) && t.EndsWith(": external_pid_file is left out", StringComparison.Ordinal));
        // The user's own line stays above it.
        Assert.Contains("synchronous_standby_names = 'barman_receive_wal'", await File.ReadAllLinesAsync(Path.Combine(target, "postgresql.auto.conf")));
        await using var restored = await TestCluster.OnDirectoryAsync(target, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        await restored.SqlAsync("COMMIT PREPARED 'pending'");
        await restored.SqlAsync("INSERT INTO t VALUES (-1)");
        await restored.SqlAsync("SELECT pg_switch_wal()");
        await restored.SqlAsync("CHECKPOINT");
        Assert.Equal(1002, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
        await server.SqlAsync("SELECT pg_switch_wal()");
        Assert.Empty(Directory.EnumerateFiles(archive, "00000002*"));
        Assert.True(Directory.GetFiles(archive).Length >= archived);
        Assert.True(Directory.Exists(Path.Combine(target, "log")));
        await restored.RestartAsync();
        Assert.Equal(1002, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task A_cluster_in_Debians_layout_starts_without_its_configuration_directory()
    {
        // Debian keeps the configuration in /etc/postgresql/<version>/<cluster>, and nothing of it in the data directory.
        using var scratch = new Scratch("etc");
        await using var server = await TestCluster.CreateAsync(new() { WalSegmentSizeMb = 1 });
        var etc = Directory.CreateDirectory(Path.Combine(scratch.Path, "15/main/conf.d")).Parent!.FullName;
        foreach (var name in (string[])["postgresql.conf", "pg_hba.conf", "pg_ident.conf"])
        {
            File.Move(Path.Combine(server.DataDirectory, name), Path.Combine(etc, name));
        }
        await File.AppendAllLinesAsync(Path.Combine(etc, "postgresql.conf"),
        [
            $"data_directory = '{server.DataDirectory}'", $"hba_file = '{etc}/pg_hba.conf'", $"ident_file = '{etc}/pg_ident.conf'", $"external_pid_file = '{scratch.Path}/15-main.pid'",
            "include_dir = 'conf.d'", "cluster_name = '15/main'", "ssl_cert_file = '/etc/ssl/certs/nowhere.pem'", "work_mem = '7MB'", "search_path = '\"$user\", public, \"it''s\"'", "max_connections = 77", "synchronous_standby_names = ''",
        ]);
        await File.WriteAllTextAsync(Path.Combine(etc, "conf.d/more.conf"), "maintenance_work_mem = '33MB'\n");
        (await Command.RunAsync("chown", "--recursive", $"{PostgresUser.Uid}:{PostgresUser.Gid}", scratch.Path)).Checked();
        await server.StartAsync("-c", $"config_file={etc}/postgresql.conf");
        using var backup = new HandMadeBackup(server);
        backup.External[$"{etc}/postgresql.conf"] = await File.ReadAllTextAsync(Path.Combine(etc, "postgresql.conf"));
        backup.External[$"{etc}/pg_hba.conf"] = await File.ReadAllTextAsync(Path.Combine(etc, "pg_hba.conf"));
        await server.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        await backup.TakeAsync();
        await server.StopAsync();
        Directory.Move(Path.Combine(scratch.Path, "15"), Path.Combine(scratch.Path, "gone"));

        var target = Path.Combine(scratch.Path, "data");
        var result = await RestoreJob.RunAsync(Options(backup, target), null, default);

        Assert.Contains(result.Warnings, w => w.Contains("original-config", StringComparison.Ordinal));
        Assert.Contains(result.Warnings, w => w.Contains("pg_ident.conf", StringComparison.Ordinal));
        Assert.Equal(backup.External[$"{etc}/postgresql.conf"], await File.ReadAllTextAsync(Path.Combine(target, $"original-config{etc}/postgresql.conf")));
        Assert.Equal(backup.External[$"{etc}/pg_hba.conf"], await File.ReadAllTextAsync(Path.Combine(target, "pg_hba.conf")));
        await using var restored = await TestCluster.OnDirectoryAsync(target, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(1000, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
        Assert.Equal("7MB", await restored.ScalarAsync<string>("SHOW work_mem"));
        Assert.Equal("33MB", await restored.ScalarAsync<string>("SHOW maintenance_work_mem"));
        Assert.Equal("77", await restored.ScalarAsync<string>("SHOW max_connections"));
        Assert.Equal("\"$user\", public, \"it's\"", await restored.ScalarAsync<string>("SHOW search_path"));
        Assert.Equal(target, await restored.ScalarAsync<string>("SHOW data_directory"));
        Assert.Equal(["hot_standby", "max_logical_replication_workers", "ssl_cert_file", "unix_socket_directories"], result.Disarmed.Select(static d => d.Name).Order(StringComparer.Ordinal));
        var left = Assert.Single(result.Disarmed, static d => d.Value is null);
        Assert.Equal("# left out by barkeep: ssl_cert_file = '/etc/ssl/certs/nowhere.pem'", (await File.ReadAllLinesAsync(Path.Combine(target, left.File)))[left.Line - 1]);

        // Its own configuration is complete, and a backup of it restores to the same.
        var again = Path.Combine(scratch.Path, "again");
        var second = await RestoredAgainTests.BackUpAndRestoreAsync(restored, again);
        Assert.Empty(second.Warnings);
        Assert.Equal("hot_standby", Assert.Single(second.Disarmed).Name);
        Assert.Equal("original-config", Path.GetFileName(Assert.Single(Directory.EnumerateDirectories(again, "original-config*"))));
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(target, "postgresql.conf")), await File.ReadAllTextAsync(Path.Combine(again, "postgresql.conf")));
    }

    [Fact]
    public async Task A_postgresql_conf_that_points_at_the_original_does_not_lead_back_there()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        var conf = Path.Combine(server.DataDirectory, "postgresql.conf");
        await server.ConfigureAsync($"data_directory = '{server.DataDirectory}'  # here", $"HBA_File '{server.DataDirectory}/pg_hba.conf'", "include_if_exists = 'local.conf'", "include 'inside.conf'");
        await File.WriteAllTextAsync(Path.Combine(server.DataDirectory, "inside.conf"), "work_mem = 9MB # inside\n");
        await server.SqlAsync($"ALTER SYSTEM SET ident_file = '{server.DataDirectory}/pg_ident.conf'");
        await backup.TakeAsync();
        await server.StopAsync();
        var before = await File.ReadAllTextAsync(conf);

        using var scratch = new Scratch("target");
        var result = await RestoreJob.RunAsync(Options(backup, scratch.Path), null, default);
        Assert.Equal(["data_directory", "hba_file", "ident_file"], result.Disarmed.Where(static d => d.Value is null).Select(static d => d.Name).Order(StringComparer.Ordinal));
        Assert.Equal(before, await File.ReadAllTextAsync(Path.Combine(scratch.Path, "original-config/postgresql.conf")));
        await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(scratch.Path, await restored.ScalarAsync<string>("SHOW data_directory"));
        Assert.Equal($"{scratch.Path}/pg_hba.conf", await restored.ScalarAsync<string>("SHOW hba_file"));
        Assert.Equal($"{scratch.Path}/pg_ident.conf", await restored.ScalarAsync<string>("SHOW ident_file"));
        Assert.Equal("9MB", await restored.ScalarAsync<string>("SHOW work_mem"));
        Assert.False(File.Exists(Path.Combine(server.DataDirectory, "postmaster.pid")));
    }

    [Fact]
    public async Task Limits_from_the_servers_command_line_are_there_after_a_restore()
    {
        await using var server = await TestCluster.CreateAsync(new());
        await server.StartAsync("-c", "max_connections=150", "-c", "max_prepared_transactions=30", "-c", "max_worker_processes=20");
        using var backup = new HandMadeBackup(server);
        await backup.TakeAsync();
        using var scratch = new Scratch("target");
        await RestoreJob.RunAsync(Options(backup, scratch.Path), null, default);
        await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal("150", await restored.ScalarAsync<string>("SHOW max_connections"));
        Assert.Equal("30", await restored.ScalarAsync<string>("SHOW max_prepared_transactions"));
        Assert.Equal("20", await restored.ScalarAsync<string>("SHOW max_worker_processes"));
        Assert.Equal("10", await restored.ScalarAsync<string>("SHOW max_wal_senders"));
    }

    static RestoreOptions Options(HandMadeBackup backup, string target) =>
        new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };
}
