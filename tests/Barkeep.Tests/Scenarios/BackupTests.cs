using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_backup_at_rest_by_a_role_that_is_no_superuser_equals_a_pg_basebackup_page_for_page(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off"] });
        var roles = await cluster.CreateBarkeepRolesAsync();
        var place = await cluster.NewDirectoryAsync("elsewhere");
        await cluster.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await cluster.SqlAsync("CREATE DATABASE other");
        await cluster.SqlAsync("CREATE TABLE big AS SELECT i, md5(i::text) AS hash FROM generate_series(1, 40000) i; CREATE INDEX ON big (hash)");
        await cluster.SqlAsync("CREATE TABLE there TABLESPACE elsewhere AS SELECT i FROM generate_series(1, 5000) i", "other");
        await cluster.SqlAsync("CREATE UNLOGGED TABLE gone AS SELECT i FROM generate_series(1, 5000) i; CREATE TABLE empty (i int)", "other");
        await cluster.SqlAsync("VACUUM big");
        await cluster.SqlAsync("CHECKPOINT");
        // Odd ones: pages of zeros before others and a length that is no multiple of a page; an empty file; quotes.
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "odd"), [.. new byte[3 * 8192], .. Enumerable.Range(0, 12_345).Select(static i => (byte)(i % 251))]);
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "it's \\ \"empty\""), []);
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "base", "it's full"), new byte[] { 1 });
        await PostgresUser.OwnAsync(cluster.DataDirectory);
        // What a backup leaves out.
        var junk = Directory.CreateDirectory(Path.Combine(cluster.DataDirectory, "base/pgsql_tmp")).FullName;
        foreach (var name in (string[])["base/pgsql_tmp/pgsql_tmp1.0", "base/5/t3_16999", "base/5/t3_16999_fsm", "global/pg_internal.init.7", "postgresql.auto.conf.tmp", "pg_stat_tmp/x", "pg_replslot/x"])
        {
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(cluster.DataDirectory, name))!).FullName, Path.GetFileName(name)), "x");
        }
        await PostgresUser.OwnAsync(cluster.DataDirectory);

        using var bench = BackupBench.Of(cluster, BarkeepRoles.Backup, roles.BackupPassword);
        var result = await bench.BackUpAsync();

        var (mine, theirs) = (await cluster.NewDirectoryAsync("mine"), await cluster.NewDirectoryAsync("theirs"));
        await bench.UnpackAsync(result.Id, mine);
        (await cluster.RunAsync("pg_basebackup", "--pgdata", theirs, "--checkpoint=fast", "--no-sync", $"--tablespace-mapping={place}={theirs}-elsewhere")).Checked();
        Assert.Empty(ClusterComparison.Differences(mine, theirs));
        Assert.False(Directory.Exists(Path.Combine(mine, Path.GetRelativePath(cluster.DataDirectory, junk))));
        Assert.False(File.Exists(Path.Combine(mine, "base/5/t3_16999")));
        Assert.False(File.Exists(Path.Combine(mine, "postgresql.auto.conf.tmp")));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(mine, "pg_wal"), "*", SearchOption.AllDirectories));

        Assert.Equal(place, Assert.Single(result.Info.Tablespaces).Location);
        Assert.True(result.Info.DataChecksums);
        Assert.Equal(0, result.Info.DamagedPageCount);
        Assert.Empty(result.Info.UnreadConfigFiles);
        Assert.Equal("off", result.Info.Settings["autovacuum"]);
        Assert.Equal(version, result.Info.ServerVersion / 10_000);
        Assert.StartsWith("START WAL LOCATION: " + result.Info.BeginLsn, await File.ReadAllTextAsync(Path.Combine(mine, "backup_label")), StringComparison.Ordinal);
        await BackupBench.NothingIsLeftAsync(cluster);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_missing_grant_is_named_as_the_statement_that_mends_it(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(version);
        var roles = await cluster.CreateBarkeepRolesAsync(grants: false);
        using var bench = BackupBench.Of(cluster, BarkeepRoles.Backup, roles.BackupPassword);

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.MissingGrant, refusal.Kind);
        Assert.Contains("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO barman", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(await bench.ListAsync());

        // Nothing but what the message says is needed.
        await cluster.SqlAsync(refusal.Message[(refusal.Message.IndexOf(": ", StringComparison.Ordinal) + 2)..]);
        var result = await bench.BackUpAsync();
        Assert.Equal(BackupState.WaitingForWals, result.State);

        await cluster.SqlAsync("REVOKE EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) FROM barman");
        refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.EndsWith(": GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO barman", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_files_outside_the_data_directory_are_kept_or_named()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        var roles = await cluster.CreateBarkeepRolesAsync();
        var outside = await cluster.NewDirectoryAsync("etc");
        await cluster.StopAsync();
        File.Move(Path.Combine(cluster.DataDirectory, "pg_hba.conf"), Path.Combine(outside, "hba"));
        await File.WriteAllTextAsync(Path.Combine(outside, "more.conf"), "log_statement = ddl\n");
        await cluster.ConfigureAsync($"hba_file = '{outside}/hba'", $"include = '{outside}/more.conf'");
        await PostgresUser.OwnAsync(outside);
        await cluster.StartAsync();

        using var bench = BackupBench.Of(cluster, BarkeepRoles.Backup, roles.BackupPassword);
        var without = await bench.BackUpAsync();
        Assert.Equal([$"{outside}/hba", $"{outside}/more.conf"], without.Info.UnreadConfigFiles);
        Assert.Contains(without.Warnings, w => w.Contains($"{outside}/hba", StringComparison.Ordinal));

        await cluster.SqlAsync("GRANT pg_read_server_files TO barman");
        var with = await bench.BackUpAsync();
        Assert.Empty(with.Info.UnreadConfigFiles);
        var kept = (await (await bench.LineageAsync()).Backups.ReadManifestAsync(with.Id, default)).Entries.Where(e => e.Kind == ManifestEntryKind.External).ToList();
        Assert.Equal([$"{outside}/hba", $"{outside}/more.conf"], kept.Select(e => e.Path));
        Assert.Equal("log_statement = ddl\n"u8.ToArray(), kept[1].Content.ToArray());
    }

    [Fact]
    public async Task Servers_that_cannot_be_backed_up_are_refused_each_in_its_own_words_and_leave_nothing()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        async Task RefusedAsync(ErrorKind kind, ServerConfig server)
        {
            var refusal = await Assert.ThrowsAsync<BarkeepException>(() => new BackupBench(server, bench.Locations).BackUpAsync());
            Assert.Equal(kind, refusal.Kind);
            Assert.DoesNotContain(cluster.SuperuserPassword, refusal.ToString(), StringComparison.Ordinal);
            Assert.Empty(await bench.ListAsync());
        }
        await RefusedAsync(ErrorKind.AuthenticationFailed, bench.Server with { BackupPassword = new("wrong") });
        await RefusedAsync(ErrorKind.AuthenticationFailed, bench.Server with { BackupPassword = Secret.None });
        await RefusedAsync(ErrorKind.Configuration, bench.Server with { Database = "nowhere" });
        await RefusedAsync(ErrorKind.AuthenticationFailed, bench.Server with { SslMode = SslMode.VerifyFull });

        await cluster.ConfigureAsync("wal_level = minimal", "max_wal_senders = 0");
        await cluster.RestartAsync();
        await RefusedAsync(ErrorKind.WalLevelMinimal, bench.Server);

        await cluster.StopAsync();
        await RefusedAsync(ErrorKind.ServerUnreachable, bench.Server);
    }

    [Fact]
    public async Task Another_cluster_at_the_same_address_is_refused()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var other = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        await bench.BackUpAsync();

        bench.Server = BackupBench.Of(other, home: bench.Locations.Home).Server;
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.WrongSystem, refusal.Kind);
        Assert.Single(await bench.ListAsync());
    }

    [Fact]
    public async Task A_standby_can_be_backed_up_and_what_comes_of_it_starts()
    {
        await using var primary = await TestCluster.StartNewAsync();
        await using var standby = await primary.StartStandbyAsync();
        await primary.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        await Eventually.IsTrueAsync(() => standby.ScalarAsync<bool>("SELECT to_regclass('t') IS NOT NULL"), "the table arrives");
        using var bench = BackupBench.Of(standby);
        var result = await bench.BackUpAsync();

        await primary.SqlAsync("SELECT pg_switch_wal()");
        await Eventually.IsTrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() > '{result.Info.EndLsn}'"), "the end arrives");
        await using var copy = await RestoredCluster.StartAsync(bench, result.Id, standby);
        Assert.Equal(1000L, await copy.ScalarAsync<long>("SELECT count(*) FROM t"));

        // Its WAL has no record of the backup's end.
        await bench.ArchiveAsync(primary, result.Info);
        Assert.True(result.Info.FromStandby);
        Assert.True((await WalCompletion.CheckAsync(await bench.LineageAsync(), result.Id, result.Info, TimeProvider.System, default)).IsComplete);
    }

    [Fact]
    public async Task Grants_are_asked_for_in_words_that_the_server_understands_whatever_the_role_is_called()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await cluster.SqlAsync("CREATE ROLE \"Bar \"\"man\" LOGIN PASSWORD 'x'");
        foreach (var grant in BackupGrants.All(cluster.Version))
        {
            await cluster.SqlAsync(grant.StatementFor("Bar \"man"));
        }
        using var bench = BackupBench.Of(cluster, "Bar \"man", "x");
        await using var session = await SqlSession.OpenAsync(bench.Server, "test", default);
        Assert.Empty(await BackupGrants.MissingAsync(session, default));
    }
}
