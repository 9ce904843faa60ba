using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoreTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_restored_cluster_starts_on_a_new_timeline_with_every_row(int version)
    {
        await using var source = await TestCluster.StartNewAsync(version);
        using var backup = new HandMadeBackup(source);
        await source.SqlAsync("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i; CREATE INDEX ON t (md5)");
        await backup.TakeAsync();
        await source.SqlAsync("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(20001, 30000) i; DELETE FROM t WHERE i % 7 = 0");
        await backup.ReceiveAsync();
        var rows = await RowDigest.TakeAsync(source);

        using var scratch = new Scratch("restored");
        var target = scratch.Path;
        var result = await RestoreJob.RunAsync(Options(backup, target), null, default);

        await using var restored = await TestCluster.OnDirectoryAsync(target, source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
        await restored.SqlAsync("CHECKPOINT");
        Assert.Equal(2, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
        await ClusterSoundness.CheckAndStopAsync(restored);
        Assert.Empty(result.Warnings);
    }

    static RestoreOptions Options(HandMadeBackup backup, string target) =>
        new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };
}
