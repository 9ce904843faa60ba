using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A restored cluster beside its original, which must not notice it.</summary>
public sealed class CloneTests
{
    [Theory]
    [InlineData(15, false)]
    [InlineData(18, false)]
    [InlineData(18, true)]
    public async Task R11_a_clone_that_writes_beside_its_original_reaches_neither_its_archive_nor_its_receiver(int version, bool isStandby)
    {
        using var scratch = new Scratch("archive");
        var archive = Directory.CreateDirectory(Path.Combine(scratch.Path, "archive")).FullName;
        await PostgresUser.OwnAsync(scratch.Path);
        await using var reception = await Reception.PrepareAsync(new TestClusterOptions
        {
            Version = version,
            Configuration = ["autovacuum = off", "archive_mode = always", $"archive_command = 'cp %p {archive}/%f'", RowWriter.Setting],
        });
        var source = reception.Cluster;
        // What a former standby keeps, and what its own standby waits for.
        await source.SqlAsync($"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={source.Port} user=postgres password={source.SuperuserPassword} application_name=clone'");
        await source.SqlAsync("ALTER SYSTEM SET primary_slot_name = 'held'");
        await source.SqlAsync("SELECT pg_create_physical_replication_slot('held', true)");
        await reception.CreateSlotAsync();
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        using var backup = new HandMadeBackup(source, reception.Rig.Home) { ServerName = reception.Config.Name.ToString(), TakesWal = false };
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await backup.TakeAsync(complete: false);
        await writer.CommitAsync(source, 3);
        await reception.CaughtUpAsync();

        var target = Path.Combine(scratch.Path, "clone");
        var result = await RestoreJob.RunAsync(new()
        {
            Locations = reception.Locations,
            Server = reception.Config.Name,
            Target = target,
            IsStandby = isStandby,
            Until = isStandby ? null : RecoveryTarget.AtXid(writer.Rows[1].Xid),
            Action = isStandby ? null : TargetAction.Promote,
        }, null, default);
        string[] expected = ["archive_command", "archive_mode", "primary_conninfo", "primary_slot_name"];
        Assert.Empty(expected.Except(result.Disarmed.Select(static d => d.Name)));

        await using var clone = await TestCluster.OnDirectoryAsync(target, source);
        await clone.StartAsync();
        if (isStandby)
        {
            await Eventually.IsTrueAsync(async () => await clone.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 't'") == 1 && (await RowWriter.FoundAsync(clone)).Count == 3, "the standby has all rows");
            Assert.Empty(await clone.ListAsync("SELECT status FROM pg_stat_wal_receiver"));
            await clone.PromoteAsync();
        }
        await clone.RecoveredAsync();
        var before = await SeenAsync(reception, archive);
        for (var i = 0; i < 3; i++)
        {
            await clone.SqlAsync($"INSERT INTO t VALUES ({1000 + i})");
            await clone.SqlAsync("SELECT pg_switch_wal()");
        }
        await clone.SqlAsync("CHECKPOINT");

        // It holds no slot, streams from nobody, archives nothing; the original's own goes on and never sees its timeline.
        Assert.Empty(await clone.ListAsync("SELECT slot_name FROM pg_replication_slots"));
        Assert.Equal(["off", ""], [await clone.ScalarAsync<string>("SHOW archive_mode"), await clone.ScalarAsync<string>("SHOW primary_conninfo")]);
        Assert.Equal(0, await clone.ScalarAsync<long>("SELECT archived_count + failed_count FROM pg_stat_archiver"));
        Assert.Equal(["barman_receive_wal"], await source.ListAsync("SELECT application_name FROM pg_stat_replication"));
        Assert.Equal(before, await SeenAsync(reception, archive));
        await writer.CommitAsync(source, 1);
        await source.SqlAsync("SELECT pg_switch_wal()");
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.All(await reception.Lineage.Wal.ListSegmentsAsync(default), static s => Assert.Equal(1U, s.Name.Timeline.Value));
        Assert.All(Directory.EnumerateFiles(archive), static f => Assert.StartsWith("00000001", Path.GetFileName(f), StringComparison.Ordinal));
    }

    // What both archives hold, and whom the original knows.
    static async Task<string> SeenAsync(Reception reception, string archive) => string.Join('\n',
    [
        .. Directory.EnumerateFiles(archive).Select(static f => Path.GetFileName(f)).Order(),
        .. (await reception.Lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name.ToString()),
        .. await reception.Cluster.ListAsync("SELECT slot_name || active || coalesce(active_pid, 0) FROM pg_replication_slots ORDER BY 1"),
    ]);
}
