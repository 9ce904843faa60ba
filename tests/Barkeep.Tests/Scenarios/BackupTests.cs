using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupTests
{
    public static TheoryData<int> Versions => [.. PostgresInstallation.Versions];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_backup_at_rest_equals_a_pg_basebackup_page_for_page(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off"] });
        var place = await cluster.NewDirectoryAsync("elsewhere");
        await cluster.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await cluster.SqlAsync("CREATE DATABASE other");
        await cluster.SqlAsync("CREATE TABLE big AS SELECT i, md5(i::text) AS hash FROM generate_series(1, 40000) i; CREATE INDEX ON big (hash)");
        await cluster.SqlAsync("CREATE TABLE there TABLESPACE elsewhere AS SELECT i FROM generate_series(1, 5000) i", "other");
        await cluster.SqlAsync("CREATE UNLOGGED TABLE gone AS SELECT i FROM generate_series(1, 5000) i; CREATE TABLE empty (i int)", "other");
        await cluster.SqlAsync("VACUUM big");
        await cluster.SqlAsync("CHECKPOINT");
        // Sparse and odd lengths: a page of zeros between others, a file that is no multiple of a page, an empty one.
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "odd"), [.. new byte[3 * 8192], .. Enumerable.Range(0, 12_345).Select(static i => (byte)(i % 251))]);
        await File.WriteAllBytesAsync(Path.Combine(cluster.DataDirectory, "empty"), []);
        await PostgresUser.OwnAsync(cluster.DataDirectory);

        using var bench = new BackupBench(cluster);
        var result = await bench.BackUpAsync();

        var (mine, theirs) = (await cluster.NewDirectoryAsync("mine"), await cluster.NewDirectoryAsync("theirs"));
        await bench.UnpackAsync(result.Id, mine);
        (await cluster.RunAsync("pg_basebackup", "--pgdata", theirs, "--checkpoint=fast", "--no-sync", $"--tablespace-mapping={place}={theirs}-elsewhere")).Checked();
        Assert.Empty(ClusterComparison.Differences(mine, theirs));
        Assert.Equal(place, Assert.Single(result.Info.Tablespaces).Location);
        Assert.True(result.Info.DataChecksums);
        Assert.Equal(0, result.Info.DamagedPageCount);
        Assert.Empty(result.Info.UnreadConfigFiles);
        Assert.StartsWith("START WAL LOCATION: " + result.Info.BeginLsn, await File.ReadAllTextAsync(Path.Combine(mine, "backup_label")), StringComparison.Ordinal);
    }
}
