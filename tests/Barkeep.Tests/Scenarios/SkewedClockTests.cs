using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Recovery;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>The clock of the machine that takes backups is not the server's: which moments a backup leads to depends on the server's alone.</summary>
public sealed class SkewedClockTests
{
    [Fact]
    public async Task A_clock_that_is_ahead_hides_no_moment_after_the_backup()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var backup = await BackUpAsync(bench, TimeSpan.FromHours(1));
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int)");
        var moment = await NowAsync(bench);
        await bench.Cluster.SqlAsync("INSERT INTO t VALUES (1)");
        await bench.Reception.CaughtUpAsync();
        Assert.NotNull((await PlanAsync(bench, backup, moment)).Stop);
    }

    [Fact]
    public async Task A_clock_that_is_behind_promises_no_moment_before_the_backup()
    {
        await using var bench = await IncrementalBench.StartAsync();
        var moment = await NowAsync(bench);
        // This is in the backup, and not in the segment that it begins in.
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int)");
        await bench.Cluster.SqlAsync("SELECT pg_switch_wal()");
        var backup = await BackUpAsync(bench, -TimeSpan.FromHours(1));
        await bench.Cluster.SqlAsync("INSERT INTO t VALUES (1)");
        await bench.Reception.CaughtUpAsync();
        Assert.Equal(ErrorKind.TargetUnreachable, (await Assert.ThrowsAsync<BarkeepException>(() => PlanAsync(bench, backup, moment))).Kind);
    }

    static async Task<BackupId> BackUpAsync(IncrementalBench bench, TimeSpan ahead)
    {
        var job = new BackupJob(bench.Reception.Config, bench.Reception.Locations, new LogLines(), new Skewed(ahead));
        return (await job.RunAsync(BackupBench.Options, null, default)).Id;
    }

    static async Task<DateTimeOffset> NowAsync(IncrementalBench bench) => new(await bench.Cluster.ScalarAsync<DateTime>("SELECT clock_timestamp()"));

    static async Task<RestorePlan> PlanAsync(IncrementalBench bench, BackupId backup, DateTimeOffset moment)
    {
        using var scratch = new Scratch("restored");
        return await RestoreJob.PlanAsync(
            new() { Locations = bench.Reception.Locations, Server = bench.Reception.Config.Name, Target = Path.Combine(scratch.Path, "data"), Backup = backup, Until = RecoveryTarget.AtTime(moment) }, default);
    }

    sealed class Skewed(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
    }
}
