using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Targets on a server on which nothing happens after its last backup, while the receiver goes on to hear from it: no record lets recovery stop.</summary>
public sealed class IdleServerTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task R9_a_time_before_the_last_backup_is_not_restored_from_it_though_nothing_was_committed_since(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off", RowWriter.Setting] });
        using var backup = new HandMadeBackup(source) { Clock = TimeProvider.System.GetUtcNow() };
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        var first = await backup.TakeAsync();
        await writer.CommitAsync(source, 3);
        await source.SqlAsync("DELETE FROM t");
        await source.SqlAsync("SELECT pg_switch_wal()");
        backup.Clock = TimeProvider.System.GetUtcNow();
        var last = await backup.TakeAsync();
        await HeardAsync(backup, source);
        await backup.ReceiveAsync();

        using var scratch = new Scratch("restored");
        var options = new RestoreOptions
        {
            Locations = backup.Locations,
            Server = ServerName.Parse(HandMadeBackup.Server),
            Target = scratch.Path,
            Until = RecoveryTarget.AtTime(writer.Rows[^1].Time),
            Action = TargetAction.Promote,
        };

        // The last backup, whether by name or as the newest, is refused, with what is reached instead.
        foreach (var id in (BackupId?[])[last, null])
        {
            var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options with { Backup = id }, default));
            Assert.Equal(ErrorKind.TargetUnreachable, refusal.Kind);
            Assert.Contains($"lies before backup {last}", refusal.Message, StringComparison.Ordinal);
            Assert.Contains($"backup {first} suits", refusal.Hint, StringComparison.Ordinal);
        }

        // Before all of them there is nothing.
        var none = await Assert.ThrowsAsync<BarkeepException>(
            () => RestoreJob.PlanAsync(options with { SuitsTarget = true, Until = RecoveryTarget.AtTime(new(1999, 11, 29, 0, 0, 0, TimeSpan.Zero)) }, default));
        Assert.Contains($"lies before backup {first}", none.Message, StringComparison.Ordinal);

        // What suits is chosen, and has the rows.
        var result = await RestoreJob.RunAsync(options with { SuitsTarget = true }, null, default);
        Assert.Equal(first, result.Plan.Backup);
        await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(RowWriter.Numbers(writer.Rows), await RowWriter.FoundAsync(restored));

        // After the backup its end is the state at that time.
        Assert.Equal(last, (await RestoreJob.PlanAsync(options with { Target = scratch.Path + "2", SuitsTarget = true, Until = RecoveryTarget.AtTime(backup.Clock.AddMinutes(1)) }, default)).Backup);
    }

    // As a receiver does that has been sent everything, and goes on to hear from the server.
    static async Task HeardAsync(HandMadeBackup backup, TestCluster source)
    {
        var heard = TimeProvider.System.GetUtcNow().AddHours(1);
        var end = await source.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text");
        var system = await source.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()");
        await File.WriteAllTextAsync(
            backup.Locations.ReceiverStateFile(ServerName.Parse(HandMadeBackup.Server)),
            string.Create(CultureInfo.InvariantCulture, $$"""{"version":1,"processId":1,"phase":"Streaming","systemId":"{{system}}","timeline":1,"written":"{{end}}","flushed":"{{end}}","archived":"0/0","serverEnd":"{{end}}","lastMessageAt":"{{heard:O}}","since":"{{heard:O}}","updatedAt":"{{heard:O}}"}"""));
    }
}
