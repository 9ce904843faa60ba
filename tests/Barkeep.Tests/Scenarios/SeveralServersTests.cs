using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>One address that leads to several servers of a cluster, as a load balancer's does.</summary>
public sealed class SeveralServersTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task B3_a_backup_whose_connections_reach_a_primary_and_a_standby_is_refused_before_it_reads_a_file(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(version);
        await primary.CreateBarkeepRolesAsync();
        var password = new Npgsql.NpgsqlConnectionStringBuilder(primary.ConnectionString(BarkeepRoles.Backup)).Password;
        await using var standby = await primary.StartStandbyAsync();
        await using var balancer = new TcpRelay(primary.Port, standby.Port);
        using var bench = BackupBench.Of(primary, BarkeepRoles.Backup, password);
        var direct = bench.Server;
        bench.Server = direct with { Port = balancer.Port };

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync());
        Assert.Equal(ErrorKind.WrongSystem, refusal.Kind);
        Assert.Contains($":{balancer.Port} leads to several servers: the backup was begun on a primary of system", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("has reached a standby of system", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((BackupState.Failed, refusal.Message), (Assert.Single(await bench.ListAsync()).State, (await bench.ListAsync())[0].Failure));
        Assert.Empty(bench.PackFiles());
        await BackupBench.NothingIsLeftAsync(primary);

        // Of two that are alike but for when they were started, too.
        await using var twin = await primary.StartStandbyAsync();
        await using var standbys = new TcpRelay(standby.Port, twin.Port);
        bench.Server = direct with { Port = standbys.Port };
        Assert.Equal(ErrorKind.WrongSystem, (await Assert.ThrowsAsync<BarkeepException>(() => bench.BackUpAsync())).Kind);

        bench.Server = direct;
        await bench.BackUpAsync();
    }
}
