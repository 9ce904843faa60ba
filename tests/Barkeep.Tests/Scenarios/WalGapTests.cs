using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>WAL that the server no longer has, and clusters that are not the one whose WAL is held.</summary>
public sealed class WalGapTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    static readonly string[] LosesSlotsEasily = ["max_slot_wal_keep_size = 2MB", "max_wal_size = 4MB", "min_wal_size = 2MB", "wal_keep_size = 6MB"];

    static async Task LoseSlotAsync(Reception reception)
    {
        await Eventually.GivesAsync(
            async () =>
            {
                await reception.WriteAsync(5);
                await reception.Cluster.SqlAsync("CHECKPOINT");
                return await reception.Cluster.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots");
            },
            status => status == "lost",
            "the server gives up the slot");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task W1_a_lost_slot_is_a_recorded_gap_and_receiving_resumes_at_the_earliest_wal_offered(int version)
    {
        await using var reception = await Reception.PrepareAsync(new() { Version = version, Configuration = LosesSlotsEasily });
        reception.Start();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        // A commit ends within a segment: there is a tail.
        await reception.Cluster.SqlAsync("CREATE TABLE tiny ()");
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        var held = reception.State!.Flushed;
        Assert.True(held.IsValid, $"{reception.State}\n{reception.Log}");
        var tail = SegmentName.Containing(new(1), held, reception.Size);
        var tailBytes = await File.ReadAllBytesAsync(reception.Spool.PathOf(tail));
        await LoseSlotAsync(reception);

        var oldest = SegmentName.TryParse(await reception.Cluster.ScalarAsync<string>("SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"), out var name) ? name : default;
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.CaughtUpAsync();

        var gap = Assert.Single(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.Equal((new TimelineId(1), oldest.Start(reception.Size)), (gap.Timeline, gap.To));
        // A record that had come in part only is of no use to a restore.
        Assert.InRange(held - gap.From, 0, PageHeader.PageSize);
        Assert.Contains("GAP", reception.Log, StringComparison.Ordinal);
        // What was held before the gap is kept, apart from what follows it, and that is what is said of it.
        Assert.Contains($"kept {tail}.partial, {tailBytes.Length} bytes: the WAL that follows it is missing", reception.Log, StringComparison.Ordinal);
        Assert.Equal(tailBytes, await reception.StoredAsync(tail, partial: true));
        Assert.False(await reception.Lineage.Wal.HasSegmentAsync(tail, default));
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
        // Nothing between the gap's end and what is stored now is missing.
        Assert.Equal(oldest, (await reception.Lineage.Wal.ListSegmentsAsync(default)).First(s => s.Name.Start(reception.Size) > held).Name);
        Assert.NotEqual("lost", await reception.Cluster.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots"));

        // The gap is told once, and survives a restart of the receiver.
        await reception.StopAsync();
        reception.Start();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        Assert.Single(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Fact]
    public async Task W1_a_slot_that_someone_dropped_is_made_anew_and_without_a_gap_while_the_server_has_the_wal()
    {
        await using var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.StopAsync();
        await reception.Cluster.SqlAsync($"SELECT pg_drop_replication_slot('{Reception.Slot}')");
        await reception.WriteAsync(2);

        reception.Start();
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.True(await reception.AssertEqualsServerAsync() >= 3);
    }

    [Fact]
    public async Task What_collection_has_removed_is_no_gap_to_a_receiver_that_starts_again()
    {
        await using var reception = await Reception.PrepareAsync(new() { Configuration = ["max_wal_size = 4MB", "min_wal_size = 2MB", "wal_keep_size = 0"] });
        using var backups = new HandMadeBackup(reception.Cluster, reception.Rig.Home) { ServerName = $"{reception.Config.Name}", TakesWal = false };
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        var kept = await backups.TakeAsync();
        await reception.WriteAsync(6);
        await reception.CaughtUpAsync();
        await backups.TakeAsync();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();

        // One kept by itself, and what it does not need removed; the server has not got it either.
        await reception.Lineage.Backups.KeepAsync(kept, KeepTarget.Standalone, backups.Clock, default);
        var collector = new Collector(await Repository.OpenAsync(backups.RepositoryDirectory, default), reception.Config.Name, reception.Locations);
        var before = await reception.Lineage.Wal.ListSegmentsAsync(default);
        await collector.RunAsync(Collector.DefaultBudget, default);
        var removed = before.Except(await reception.Lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name).ToList();
        Assert.True(removed.Count > 2, $"{removed.Count} segments were removed");
        await reception.Cluster.SqlAsync("CHECKPOINT");
        await Eventually.IsTrueAsync(() => removed.All(s => !File.Exists(Path.Combine(reception.Cluster.DataDirectory, "pg_wal", $"{s}"))), "the server has removed them too");
        var last = (await reception.Lineage.Wal.ListSegmentsAsync(default))[^1].Name;

        reception.Start();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        var stored = (await reception.Lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name).ToList();
        Assert.Empty(stored.Intersect(removed));
        Assert.True(await reception.Lineage.Wal.HasSegmentAsync(last.Next(reception.Size), default), reception.Log);
    }

    [Fact]
    public async Task W13_another_cluster_behind_the_same_address_is_refused_until_it_is_adopted()
    {
        await using var reception = await Reception.PrepareAsync();
        reception.Start();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        var (first, before) = (reception.Lineage, reception.Spool.List());
        var stored = await first.Wal.ListSegmentsAsync(default);

        await using var other = await TestCluster.StartNewAsync();
        var roles = await other.CreateBarkeepRolesAsync();
        var asked = reception.Config with { Port = other.Port, StreamingPassword = new(roles.StreamPassword), BackupPassword = new(roles.BackupPassword) };
        reception.Config = asked;
        reception.Start();
        var refused = await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WrongSystem);
        var otherId = await other.ScalarAsync<long>("SELECT system_identifier FROM pg_control_system()");
        Assert.Contains($"{first.Identity.SystemId}", refused.Reason, StringComparison.Ordinal);
        Assert.Contains($"{(ulong)otherId}", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(before, reception.Spool.List());
        Assert.Equal(stored, await first.Wal.ListSegmentsAsync(default));
        Assert.Equal(0, await other.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));

        // Once the user has said so, the receiver that was waiting goes on; the old WAL stays.
        await reception.AdoptAsync(acceptNew: true);
        reception.Cluster = other;
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
        Assert.Equal(stored, await first.Wal.ListSegmentsAsync(default));
    }

    [Fact]
    public async Task A_receiver_that_goes_over_to_another_cluster_while_it_runs_forgets_the_positions_of_the_former()
    {
        await using var former = await TestCluster.StartNewAsync();
        var roles = await former.CreateBarkeepRolesAsync();
        await using var other = await TestCluster.StartNewAsync();
        await other.CreateBarkeepRolesAsync();
        await other.SqlAsync($"ALTER ROLE {BarkeepRoles.Backup} PASSWORD '{roles.BackupPassword}'");
        await other.SqlAsync($"ALTER ROLE {BarkeepRoles.Stream} PASSWORD '{roles.StreamPassword}'");
        int[] target = [former.Port];
        await using var relay = new TcpRelay(target);
        await using var reception = await Reception.OfAsync(former, roles, relay.Port);
        reception.Start();
        await reception.WriteAsync(8);
        await reception.CaughtUpAsync();

        target[0] = other.Port;
        relay.Cut();
        await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WrongSystem);
        await reception.AdoptAsync(acceptNew: true);
        reception.Cluster = other;
        var cluster = reception.Lineage.Identity.SystemId;
        var state = await reception.StateAsync(s => s.SystemId == cluster && s.Phase == ReceiverPhase.Streaming && s.Flushed.IsValid, "the other cluster is received");
        Assert.True(state.ServerEnd <= await reception.ServerFlushedAsync(), $"the server's end is {state.ServerEnd}");
    }

    [Fact]
    public async Task W5_other_bytes_under_the_same_name_are_refused_and_both_are_kept()
    {
        // Two copies of one cluster, each promoted: both write timeline 2.
        await using var origin = await TestCluster.StartNewAsync();
        var roles = await origin.CreateBarkeepRolesAsync();
        await using var one = await origin.StartStandbyAsync();
        await using var two = await origin.StartStandbyAsync();
        await Eventually.IsTrueAsync(async () => await origin.ScalarAsync<long>("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()") == 2, "both standbys have everything");
        await origin.KillAsync();
        await one.PromoteAsync();
        await two.PromoteAsync();

        await using var reception = await Reception.OfAsync(one, roles);
        reception.Start();
        await reception.WriteAsync(2, "first");
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        var (stored, tail) = (await reception.Lineage.Wal.ListSegmentsAsync(default), reception.Spool.List()[^1]);
        var tailBytes = await File.ReadAllBytesAsync(reception.Spool.PathOf(tail.Name));

        reception.Cluster = two;
        reception.Config = reception.Config with { Port = two.Port };
        await reception.WriteAsync(4, "second");
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.WalDiverged);
        Assert.Equal(stored, await reception.Lineage.Wal.ListSegmentsAsync(default));
        Assert.Equal(tailBytes, await File.ReadAllBytesAsync(reception.Spool.PathOf(tail.Name)));
        Assert.True(await reception.SlotPositionAsync() <= tail.Name.Start(reception.Size), "nothing of the other cluster was acknowledged");

        // Back at the right one it goes on by itself.
        await reception.StopAsync();
        reception.Cluster = one;
        reception.Config = reception.Config with { Port = one.Port };
        reception.Start();
        await reception.WriteAsync(1, "first");
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync(timeline: new(2)) > 0);
    }
}
