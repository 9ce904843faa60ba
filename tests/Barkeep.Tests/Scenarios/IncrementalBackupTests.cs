using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Health;
using Barkeep.Tests.Rig;
using Barkeep.Verification;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class IncrementalBackupTests
{
    public static TheoryData<int, bool> Servers
    {
        get
        {
            var servers = new TheoryData<int, bool>();
            foreach (var version in PostgresInstallation.Versions)
            {
                servers.Add(version, false);
                if (version >= 17)
                {
                    servers.Add(version, true);
                }
            }
            servers.AddRange(PostgresInstallation.SlowVersions.Select(static v => new TheoryDataRow<int, bool>(v, false).WithTrait("Category", "slow")));
            return servers;
        }
    }

    static Task FillAsync(TestCluster cluster, int rows = 40_000) => SqlAsync(
        cluster,
        $"CREATE TABLE big AS SELECT i, md5(i::text) AS hash, repeat('x', 100) AS pad FROM generate_series(1, {rows}) i",
        "CREATE INDEX ON big (hash)",
        "VACUUM big");

    static async Task SqlAsync(TestCluster cluster, params string[] statements)
    {
        foreach (var statement in statements)
        {
            await cluster.SqlAsync(statement);
        }
    }

    [Theory]
    [MemberData(nameof(Servers))]
    public async Task What_changed_is_read_and_with_what_is_stored_it_equals_a_pg_basebackup_page_for_page(int version, bool summarizes)
    {
        await using var bench = await IncrementalBench.StartAsync(version, summarizes ? ["summarize_wal = on"] : []);
        var cluster = bench.Cluster;
        var place = await cluster.NewDirectoryAsync("elsewhere");
        await FillAsync(cluster);
        await SqlAsync(
            cluster,
            $"CREATE TABLESPACE elsewhere LOCATION '{place}'",
            "CREATE TABLE cut AS SELECT * FROM big",
            "CREATE TABLE shrunk AS SELECT * FROM big",
            "CREATE TABLE gone AS SELECT * FROM big",
            "CREATE TABLE moved AS SELECT * FROM big",
            "CREATE TABLE vacuumed AS SELECT * FROM big",
            "CREATE UNLOGGED TABLE lost AS SELECT * FROM big",
            "CREATE DATABASE dropped",
            "CHECKPOINT");
        var first = await bench.ReadsEverythingAsync("there is no earlier backup");
        await SqlAsync(
            cluster,
            "UPDATE big SET hash = 'changed' WHERE i % 4000 = 0",
            "TRUNCATE cut",
            "INSERT INTO cut SELECT * FROM big LIMIT 5000",
            "DELETE FROM shrunk WHERE i > 1000",
            "VACUUM shrunk",
            "INSERT INTO shrunk SELECT * FROM big LIMIT 10000",
            "DROP TABLE gone",
            "ALTER TABLE moved SET TABLESPACE elsewhere",
            "DELETE FROM vacuumed WHERE i % 3 = 0",
            "VACUUM vacuumed",
            "ALTER TABLE lost SET LOGGED",
            "DROP DATABASE dropped",
            "CREATE DATABASE created",
            "CREATE TABLE made AS SELECT * FROM big LIMIT 3000");

        var second = await bench.IncrementalAsync(first);
        await bench.AssertEqualsAsync(second, place);
        Assert.InRange(second.Info.ReadBytes, 1, second.Info.ClusterSize * 3 / 4);

        // With the parent gone, everything is still there.
        await bench.DeleteAsync(first.Id);
        var third = await bench.IncrementalAsync(second);
        await bench.AssertEqualsAsync(third, place);
        Assert.InRange(third.Info.ReadBytes, 1, third.Info.ClusterSize / 5);
        await bench.DeleteAsync(second.Id);
        await bench.AssertRestoresAsync(third);
    }

    [Fact]
    public async Task Scattered_pages_are_read_one_by_one_and_little_else()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster, 400_000);
        var first = await bench.BackUpAsync();
        var idle = await bench.IncrementalAsync(first);
        var pages = await bench.Cluster.ScalarAsync<long>(
            "WITH u AS (UPDATE big SET pad = 'y' WHERE i % 800 = 0 RETURNING ctid) SELECT count(*) FROM u");

        var second = await bench.IncrementalAsync(idle);
        // Old and new row's page: the new rows go together into a few at the end.
        Assert.InRange(second.Info.ReadBytes - idle.Info.ReadBytes, pages * 8192, (long)(pages * 8192 * 1.5));
        Assert.InRange(second.Info.StoredBytes, 1, second.Info.ReadBytes);
        Assert.InRange(idle.Info.StoredBytes, 1, 1 << 20);
        await bench.AssertEqualsAsync(second);
        await bench.AssertRestoresAsync(second);
    }

    [Fact]
    public async Task Without_checksums_every_backup_reads_the_free_space_maps()
    {
        await using var bench = await IncrementalBench.StartAsync(new TestClusterOptions { Checksums = false });
        var first = await bench.BackUpAsync();
        var idle = await bench.IncrementalAsync(first);
        Assert.True(idle.Info.ReadBytes > await SpaceMapsAsync(bench.Cluster));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task With_checksums_free_space_maps_are_read_where_they_have_changed_and_nowhere_else(int version)
    {
        await using var bench = await IncrementalBench.StartAsync(version);
        await SqlAsync(
            bench.Cluster,
            "CREATE TABLE places AS SELECT point(i, i) AS place FROM generate_series(1, 50000) i",
            "CREATE INDEX ON places USING gist (place)",
            "CREATE TABLE written AS SELECT repeat('x', 100) AS pad FROM generate_series(1, 20000)",
            "DELETE FROM written WHERE ctid < '(100,0)'",
            // Marks pages of the index as deleted: only once no transaction can come by any more are they free.
            "DELETE FROM places WHERE place[0] > 40000",
            "VACUUM places",
            "SELECT pg_current_xact_id()",
            "VACUUM places",
            "DELETE FROM places WHERE place[0] > 1000",
            "VACUUM written, places",
            "CHECKPOINT");
        var first = await bench.BackUpAsync();
        var idle = await bench.IncrementalAsync(first);
        Assert.True(idle.Info.ReadBytes < await SpaceMapsAsync(bench.Cluster));

        // The index' map is all of it that changes.
        await SqlAsync(bench.Cluster, "SELECT pg_current_xact_id()", "VACUUM places");
        var vacuumed = await bench.IncrementalAsync(idle);
        await bench.AssertEqualsAsync(vacuumed);

        // Most of a page is filled: until all of it is, only replay after a crash notes that in the map, and leaves no trace of it.
        await SqlAsync(bench.Cluster, "CHECKPOINT", "INSERT INTO written SELECT repeat('y', 100) FROM generate_series(1, 50)");
        await bench.Cluster.KillAsync();
        await bench.Cluster.StartAsync();
        await bench.Reception.CaughtUpAsync();
        var crashed = await bench.IncrementalAsync(vacuumed);
        await bench.AssertEqualsAsync(crashed);
        await bench.AssertRestoresAsync(crashed);
    }

    static Task<long> SpaceMapsAsync(TestCluster cluster) =>
        cluster.ScalarAsync<long>("SELECT sum(pg_relation_size(oid, 'fsm'))::bigint FROM pg_class WHERE relkind IN ('r', 't', 'm', 'i')");

    [Fact]
    public async Task A_full_backup_reads_everything_and_stores_only_what_is_new()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        await bench.Cluster.SqlAsync("CREATE TABLE going AS SELECT * FROM big");
        var first = await bench.BackUpAsync();
        await SqlAsync(bench.Cluster, "UPDATE big SET hash = 'changed' WHERE i % 4000 = 0", "DROP TABLE going", "CREATE TABLE coming AS SELECT i FROM generate_series(1, 1000) i");

        var second = await bench.ReadsEverythingAsync("a full backup was asked for", full: true);
        Assert.True(second.Info.ReadBytes > second.Info.ClusterSize * 9 / 10);
        Assert.InRange(second.Info.StoredBytes, 1, first.Info.StoredBytes / 5);
        await bench.DeleteAsync(first.Id);
        await bench.AssertEqualsAsync(second);
        await bench.AssertRestoresAsync(second);
    }

    [Fact]
    public async Task A_backup_that_is_damaged_or_lacks_a_pack_is_not_built_on()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var first = await bench.BackUpAsync();
        await bench.Cluster.SqlAsync("UPDATE big SET hash = 'changed' WHERE i % 400 = 0");
        var second = await bench.IncrementalAsync(first);
        var root = Path.Combine(bench.Reception.Locations.RepositoryDirectory(bench.Reception.Config.Name), $"{bench.Reception.Lineage.Identity.SystemId}");
        File.Delete(Path.Combine(root, $"packs/{second.Id}/0001"));

        var third = await bench.IncrementalAsync(first);
        Assert.Contains(third.Warnings, w => w.Contains($"backup {second.Id} cannot be built on: its pack {second.Id}/0001 is damaged or missing", StringComparison.Ordinal));
        await bench.AssertEqualsAsync(third);

        foreach (var id in (BackupId[])[first.Id, third.Id])
        {
            var manifest = Path.Combine(root, $"backups/{id}/manifest");
            var bytes = await File.ReadAllBytesAsync(manifest);
            bytes[^20] ^= 1;
            await File.WriteAllBytesAsync(manifest, bytes);
        }
        // What is whole of the one that is left is referred to all the same.
        var fourth = await bench.ReadsEverythingAsync($"pack {second.Id}/0001, which backup {second.Id} needs, is damaged or missing");
        Assert.Equal(3, fourth.Warnings.Count(w => w.Contains("cannot be built on", StringComparison.Ordinal)));
        Assert.InRange(fourth.Info.StoredBytes, 1, first.Info.StoredBytes * 3 / 4);
        await bench.AssertRestoresAsync(fourth);
    }

    [Fact]
    public async Task B6_what_a_damaged_pack_held_is_stored_again_by_the_next_backup_and_by_that_one_alone()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var first = await bench.BackUpAsync();
        var second = await bench.IncrementalAsync(first);
        var (lineage, pack) = (bench.Reception.Lineage, $"{first.Id}/0001");
        var root = Path.Combine(bench.Reception.Locations.RepositoryDirectory(bench.Reception.Config.Name), $"{lineage.Identity.SystemId}");
        var bytes = await File.ReadAllBytesAsync(Path.Combine(root, "packs", pack));
        bytes[bytes.Length / 3] ^= 4;
        await File.WriteAllBytesAsync(Path.Combine(root, "packs", pack), bytes);

        // Nobody has looked: what is not read from the server is where it was.
        var third = await bench.IncrementalAsync(second);
        var found = await VerifyAsync(third);
        Assert.Equal([first.Id, second.Id, third.Id], Assert.Single(found.Damage).Backups);
        Assert.Equal([pack], await lineage.Packs.ListDamagedAsync(default));
        Assert.Contains(pack, (await StoredPagesAsync())?.Hint, StringComparison.Ordinal);

        var fourth = await bench.ReadsEverythingAsync($"pack {pack}, which backup {third.Id} needs, is damaged");
        Assert.Empty((await VerifyAsync(fourth)).Damage);
        await bench.AssertEqualsAsync(fourth);
        await bench.AssertRestoresAsync(fourth);
        var fifth = await bench.IncrementalAsync(fourth);

        // The mark goes with the pack.
        foreach (var backup in (BackupResult[])[first, second, third])
        {
            await bench.DeleteAsync(backup.Id);
        }
        Assert.False(File.Exists(Path.Combine(root, "packs", pack)));
        Assert.False(File.Exists(Path.Combine(root, "damaged", pack)));
        Assert.Null(await StoredPagesAsync());
        Assert.Empty((await VerifyAsync(fifth)).Damage);

        Task<VerificationResult> VerifyAsync(BackupResult backup) =>
            new BackupVerification(lineage, bench.Reception.Spool, null, 2, null).RunAsync([backup.Id], default);

        async Task<Finding?> StoredPagesAsync() =>
            Checklist.Judge(await new HealthProbe(bench.Reception.Config, bench.Reception.Locations, TimeProvider.System).GatherAsync(default)).FirstOrDefault(static f => f.Name == "stored pages");
    }

    [Theory]
    [InlineData(48)]
    [InlineData(4)]
    public async Task B6_a_backup_that_finds_the_index_or_the_footer_of_a_pack_damaged_says_so_and_the_next_one_stores_its_pages_again(int fromEnd)
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var first = await bench.BackUpAsync();
        var (lineage, pack) = (bench.Reception.Lineage, $"{first.Id}/0001");
        var path = Path.Combine(bench.Reception.Locations.RepositoryDirectory(bench.Reception.Config.Name), $"{lineage.Identity.SystemId}", "packs", pack);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^fromEnd] ^= 4;
        await File.WriteAllBytesAsync(path, bytes);

        var second = await bench.IncrementalAsync(first);
        Assert.Single(second.Warnings, w => w.Contains(pack, StringComparison.Ordinal) && w.Contains("this one among them, cannot be restored whole", StringComparison.Ordinal));
        Assert.Equal([pack], await lineage.Packs.ListDamagedAsync(default));

        var third = await bench.ReadsEverythingAsync($"pack {pack}, which backup {second.Id} needs, is damaged");
        await bench.AssertEqualsAsync(third);
        await bench.AssertRestoresAsync(third);
        await bench.IncrementalAsync(third);
    }

    [Fact]
    public async Task Without_a_receiver_everything_is_read_and_with_one_again_only_what_changed()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var first = await bench.BackUpAsync();
        await bench.Reception.StopAsync();
        await bench.Cluster.SqlAsync("UPDATE big SET hash = 'changed' WHERE i % 4000 = 0");
        var second = await bench.ReadsEverythingAsync("no receive-wal of server main is running");
        Assert.InRange(second.Info.StoredBytes, 1, first.Info.StoredBytes / 5);

        bench.Reception.Start();
        var third = await bench.IncrementalAsync(second);
        await bench.AssertEqualsAsync(third);
    }

    [Fact]
    public async Task A_crash_of_the_server_in_between_hides_no_change()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var first = await bench.BackUpAsync();
        // The file is extended by a transaction whose WAL is never flushed.
        await bench.Cluster.SqlAsync("UPDATE big SET hash = 'changed' WHERE i % 400 = 0");
        await using (var connection = await bench.Cluster.OpenAsync())
        {
            await using var command = new Npgsql.NpgsqlCommand("BEGIN; INSERT INTO big SELECT * FROM big LIMIT 20000; SET LOCAL synchronous_commit = off", connection);
            await command.ExecuteNonQueryAsync();
            await bench.Cluster.KillAsync();
        }
        await bench.Cluster.StartAsync();
        await bench.Cluster.SqlAsync("INSERT INTO big SELECT * FROM big LIMIT 100");

        var second = await bench.IncrementalAsync(first);
        await bench.AssertEqualsAsync(second);
        await bench.AssertRestoresAsync(second);
    }

    [Fact]
    public async Task Pages_added_without_WAL_are_read()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var path = Path.Combine(bench.Cluster.DataDirectory, await bench.Cluster.ScalarAsync<string>("SELECT pg_relation_filepath('big')"));
        var first = await bench.BackUpAsync();
        await bench.Cluster.StopAsync();
        // As an extension leaves them whose transaction did not live to use them.
        await using (var file = File.OpenWrite(path))
        {
            file.SetLength(file.Length + (5 * 8192));
        }
        await bench.Cluster.StartAsync();
        var second = await bench.IncrementalAsync(first);
        await bench.AssertEqualsAsync(second);
        await bench.AssertRestoresAsync(second);
    }

    [Fact]
    public async Task A_page_that_was_damaged_is_read_again_whether_or_not_its_WAL_says_so()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench.Cluster);
        var path = Path.Combine(bench.Cluster.DataDirectory, await bench.Cluster.ScalarAsync<string>("SELECT pg_relation_filepath('big')"));
        await bench.Cluster.StopAsync();
        var sound = await File.ReadAllBytesAsync(path);
        await File.WriteAllBytesAsync(path, [.. sound[..(7 * 8192)], .. new byte[8].Select(static _ => (byte)0xEE), .. sound[((7 * 8192) + 8)..]]);
        await PostgresUser.OwnAsync(path);
        await bench.Cluster.StartAsync();
        var first = await bench.BackUpAsync();
        Assert.Equal(1, first.Info.DamagedPageCount);
        // Still so: it is found again, although no WAL speaks of it.
        var second = await bench.IncrementalAsync(first);
        Assert.Equal(7, Assert.Single(second.Info.DamagedPages).Block);

        // Repaired behind the server's back, as from a copy of the disk.
        await bench.Cluster.StopAsync();
        await File.WriteAllBytesAsync(path, sound);
        await PostgresUser.OwnAsync(path);
        await bench.Cluster.StartAsync();
        var third = await bench.IncrementalAsync(second);
        Assert.Equal(0, third.Info.DamagedPageCount);
        await bench.AssertEqualsAsync(third);
        await bench.AssertRestoresAsync(third);
    }
}
