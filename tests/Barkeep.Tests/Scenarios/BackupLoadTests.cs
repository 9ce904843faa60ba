using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupLoadTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task B21_files_grow_shrink_and_vanish_while_they_are_read_and_what_is_restored_is_sound(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["wal_keep_size = 4GB", "checkpoint_timeout = 30s", "max_wal_size = 64MB"] });
        await cluster.SqlAsync("CREATE TABLE ledger (i bigserial PRIMARY KEY, t text DEFAULT repeat('x', 200)); CREATE TABLE moving AS SELECT i, md5(i::text) FROM generate_series(1, 30000) i; CREATE TABLE shrinking AS SELECT * FROM moving");
        using var bench = BackupBench.Of(cluster);
        using var stop = new CancellationTokenSource();
        var load = (Task[])[WriteAsync(cluster, stop.Token), ChurnTablesAsync(cluster, stop.Token), ChurnDatabasesAsync(cluster, stop.Token)];
        var result = await bench.BackUpAsync(BackupBench.Options with { BandwidthLimit = 6000 });
        await stop.CancelAsync();
        await Task.WhenAll(load);

        // Torn pages are no damage.
        Assert.Equal(0, result.Info.DamagedPageCount);
        var rows = await RowDigest.TakeAsync(cluster);
        await cluster.StopImmediatelyAsync();
        await using var copy = await RestoredCluster.StartAsync(bench, result.Id, cluster);
        Assert.Empty(rows.Differences(await RowDigest.TakeAsync(copy)));
        await ClusterSoundness.CheckAndStopAsync(copy);
    }

    static async Task WriteAsync(TestCluster cluster, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await cluster.SqlAsync("INSERT INTO ledger SELECT FROM generate_series(1, 500); UPDATE moving SET md5 = md5(md5) WHERE i % 50 = (random() * 49)::int");
        }
    }

    // Rewritten files get new names; truncated ones become shorter and grow again.
    static async Task ChurnTablesAsync(TestCluster cluster, CancellationToken stop)
    {
        for (var round = 0; !stop.IsCancellationRequested; round++)
        {
            await cluster.SqlAsync("VACUUM FULL moving");
            await cluster.SqlAsync($"CREATE TABLE t{round} AS SELECT i FROM generate_series(1, 5000) i");
            await cluster.SqlAsync("BEGIN; TRUNCATE shrinking; INSERT INTO shrinking SELECT * FROM moving LIMIT 20000; COMMIT");
            await cluster.SqlAsync("DELETE FROM shrinking WHERE i > 1000");
            await cluster.SqlAsync("VACUUM shrinking");
            if (round > 2)
            {
                await cluster.SqlAsync($"DROP TABLE t{round - 2}");
            }
            await cluster.SqlAsync("CHECKPOINT");
        }
    }

    static async Task ChurnDatabasesAsync(TestCluster cluster, CancellationToken stop)
    {
        for (var round = 0; !stop.IsCancellationRequested; round++)
        {
            await cluster.SqlAsync($"CREATE DATABASE d{round} TEMPLATE template0");
            if (round > 0)
            {
                await cluster.SqlAsync($"DROP DATABASE d{round - 1}");
            }
        }
    }
}
