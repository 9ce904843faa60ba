using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class FormerClusterTests
{
    [Fact]
    public async Task R9_what_the_receiver_heard_says_nothing_of_a_cluster_that_the_server_was_before()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(cluster) { Clock = TimeProvider.System.GetUtcNow() };
        var id = await backup.TakeAsync();
        await cluster.SqlAsync("CREATE TABLE t AS SELECT 1 AS i");
        await backup.ReceiveAsync();
        var server = ServerName.Parse(HandMadeBackup.Server);
        var heard = TimeProvider.System.GetUtcNow().AddHours(1);
        var end = await cluster.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text");
        Task HearAsync(ulong systemId) => File.WriteAllTextAsync(
            backup.Locations.ReceiverStateFile(server),
            string.Create(CultureInfo.InvariantCulture, $$"""{"version":1,"processId":1,"phase":"Streaming","systemId":"{{systemId}}","timeline":1,"written":"{{end}}","flushed":"{{end}}","archived":"0/0","serverEnd":"{{end}}","lastMessageAt":"{{heard:O}}","since":"{{heard:O}}","updatedAt":"{{heard:O}}"}"""));
        using var scratch = new Scratch("restored");
        var options = new RestoreOptions
        {
            Locations = backup.Locations,
            Server = server,
            Target = Path.Combine(scratch.Path, "data"),
            Backup = id,
            Until = RecoveryTarget.AtTime(heard.AddMinutes(-10)),
        };

        var repository = await Repository.OpenAsync(backup.RepositoryDirectory, default);
        var identity = repository.Current!.Identity;
        await HearAsync(identity.SystemId);

        // Nothing was committed after that: the end of the WAL is the state at that time.
        Assert.NotNull((await RestoreJob.PlanAsync(options, default)).Stop);

        // The same words, of another cluster.
        await repository.AdoptAsync(identity with { SystemId = identity.SystemId + 1 }, acceptNew: true, backup.Clock, default);
        await HearAsync(identity.SystemId + 1);
        Assert.Equal(ErrorKind.TargetUnreachable, (await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options, default))).Kind);
    }
}
