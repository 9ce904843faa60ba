using Xunit;

namespace Barkeep.Tests.Rig;

public sealed class TestClusterTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_cluster_keeps_committed_rows_through_kill_9_and_restart(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(version);
        Assert.StartsWith($"{version}.", await cluster.ScalarAsync<string>("SHOW server_version"), StringComparison.Ordinal);
        Assert.Equal("1MB", await cluster.ScalarAsync<string>("SHOW wal_segment_size"));
        Assert.Equal("on", await cluster.ScalarAsync<string>("SHOW data_checksums"));
        await cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");

        await cluster.KillAsync();
        Assert.False(cluster.IsRunning);
        await cluster.StartAsync();

        Assert.Equal(1000L, await cluster.ScalarAsync<long>("SELECT count(*) FROM t"));
        Assert.Contains("1000", (await cluster.RunAsync("psql", "-Atc", "SELECT count(*) FROM t")).Checked().Output, StringComparison.Ordinal);
        await cluster.StopAsync();
        (await cluster.RunAsync("pg_checksums", "--check", cluster.DataDirectory)).Checked();
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_standby_streams_and_can_be_promoted(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(version);
        var place = await primary.NewDirectoryAsync("elsewhere");
        await primary.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await using var standby = await primary.StartStandbyAsync();
        await primary.SqlAsync("CREATE TABLE t (i int) TABLESPACE elsewhere");

        await Eventually.IsTrueAsync(() => standby.ScalarAsync<bool>("SELECT to_regclass('t') IS NOT NULL"), "the table arrives");
        await standby.PromoteAsync();
        await standby.SqlAsync("INSERT INTO t VALUES (1); CHECKPOINT");
        Assert.Equal(2, await standby.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_backup_role_may_read_files_and_is_no_superuser(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(version);
        await cluster.CreateBarkeepRolesAsync();
        await using var connection = await cluster.OpenAsync(BarkeepRoles.Backup);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT length(pg_read_binary_file('PG_VERSION')) > 0 AND NOT usesuper FROM pg_user WHERE usename = current_user";
        Assert.True((bool)(await command.ExecuteScalarAsync())!);
    }
}
