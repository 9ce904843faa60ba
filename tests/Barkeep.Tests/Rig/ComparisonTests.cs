using Xunit;

namespace Barkeep.Tests.Rig;

public sealed class ComparisonTests
{
    [Fact]
    public async Task Copies_of_a_cluster_at_rest_do_not_differ_and_a_changed_byte_is_found()
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off"] });
        var place = await cluster.NewDirectoryAsync("elsewhere");
        await cluster.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await cluster.SqlAsync("CREATE TABLE t TABLESPACE elsewhere AS SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i");
        await cluster.SqlAsync("VACUUM t");
        var (left, right) = (await CopyAsync(cluster, place, "left"), await CopyAsync(cluster, place, "right"));
        Assert.Empty(ClusterComparison.Differences(left, right));

        var file = await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('t')");
        var bytes = await File.ReadAllBytesAsync(Path.Combine(right, file));
        bytes[8192 * 3 + 700] ^= 1;
        await File.WriteAllBytesAsync(Path.Combine(right, file), bytes);
        Assert.Contains($"{file}: page 3 differs from byte 700 on", Assert.Single(ClusterComparison.Differences(left, right)), StringComparison.Ordinal);
        Assert.Empty(ClusterComparison.Differences(left, right, file));

        File.Delete(Path.Combine(right, file));
        Directory.Delete(Path.Combine(left, "pg_twophase"));
        Assert.Equal(
            [$"{file}: only in {left}", $"pg_twophase/: only in {right}"],
            ClusterComparison.Differences(left, right));
    }

    [Fact]
    public async Task Row_digests_of_copies_are_equal_and_tell_where_one_row_differs()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await cluster.SqlAsync("CREATE DATABASE other");
        await cluster.SqlAsync("CREATE TABLE t (i int, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b')", "other");
        await using var standby = await cluster.StartStandbyAsync();
        var digest = await RowDigest.TakeAsync(standby);
        Assert.Empty(digest.Differences(await RowDigest.TakeAsync(cluster)));

        await cluster.SqlAsync("UPDATE t SET s = 'c' WHERE i = 2", "other");
        Assert.StartsWith("other: public.t: 2 rows, hash ", Assert.Single(digest.Differences(await RowDigest.TakeAsync(cluster))), StringComparison.Ordinal);
    }

    static async Task<string> CopyAsync(TestCluster cluster, string tablespace, string name)
    {
        var directory = await cluster.NewDirectoryAsync(name);
        var mapping = $"--tablespace-mapping={tablespace}={directory}-{Path.GetFileName(tablespace)}";
        (await cluster.RunAsync("pg_basebackup", "--pgdata", directory, "--checkpoint=fast", "--no-sync", mapping)).Checked();
        return directory;
    }
}
