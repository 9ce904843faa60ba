using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Disks, networks and processes that fail while WAL is received.</summary>
public sealed class WalFaultTests
{
    [Fact]
    public async Task W7_a_receiver_killed_at_any_moment_ends_with_the_servers_bytes()
    {
        await using var reception = await Reception.PrepareAsync();
        await using var relay = new TcpRelay(reception.Cluster.Port);
        reception.Rig.WriteServer(
            "main", reception.Cluster, new(reception.Config.BackupPassword.Reveal(), reception.Config.StreamingPassword.Reveal()),
            new Dictionary<string, System.Text.Json.Nodes.JsonNode?> { ["slot_name"] = Reception.Slot }, relay.Port);
        var random = new Random(7);
        using var enough = new CancellationTokenSource();
        var writing = reception.KeepWritingAsync(enough.Token);
        for (var round = 0; round < 12; round++)
        {
            var process = reception.StartProcess();
            var goal = relay.BytesToClients + random.Next(100, 1 << 20);
            await Eventually.IsTrueAsync(() => relay.BytesToClients >= goal, $"bytes are received in round {round}; {process.Error}");
            process.Send(Signal.Kill);
            await process.ExitAsync();
        }
        await enough.CancelAsync();
        await writing;

        reception.Start();
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 3);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Theory]
    [InlineData("renameat2:signal=KILL:when=2")]
    [InlineData("renameat2:signal=KILL:when=4")]
    [InlineData("renameat2:signal=KILL:when=3")]
    [InlineData("unlink:signal=KILL:when=3")]
    [InlineData("fdatasync:signal=KILL:when=2")]
    [InlineData("fdatasync:signal=KILL:when=5")]
    [InlineData("fsync:signal=KILL:when=2")]
    [InlineData("fsync:signal=KILL:when=5")]
    public async Task W7_a_receiver_killed_at_any_step_that_matters_ends_with_the_servers_bytes(string inject)
    {
        await using var reception = await Reception.PrepareAsync();
        await reception.CreateSlotAsync();
        await reception.WriteAsync(6);
        var process = reception.StartProcess(new Strace(inject));
        await Eventually.IsTrueAsync(() => process.HasExited, $"{inject} is reached");
        Assert.True((await process.ExitAsync()).ExitCode == 128 + (int)Signal.Kill, process.Error);

        reception.Start();
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() >= 6);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
        Assert.DoesNotContain(Directory.EnumerateFiles(reception.Spool.Directory), file => Path.HasExtension(file));
    }

    [Fact]
    public async Task W6_a_transaction_committed_before_the_primary_died_is_in_the_tail()
    {
        await using var reception = await Reception.PrepareAsync();
        var backup = await reception.Cluster.NewDirectoryAsync("backup");
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        (await reception.Cluster.RunAsync("pg_basebackup", "--pgdata", backup, "--wal-method=none", "--checkpoint=fast", "--no-sync")).Checked();
        await reception.Cluster.SqlAsync($"ALTER SYSTEM SET synchronous_standby_names = '{reception.Config.ApplicationName}'");
        await reception.Cluster.SqlAsync("SELECT pg_reload_conf()");
        await Eventually.IsTrueAsync(async () => await reception.Cluster.ScalarAsync<string>("SELECT sync_state FROM pg_stat_replication") == "sync", "the receiver is the synchronous standby");
        using var enough = new CancellationTokenSource();
        var before = await reception.ServerFlushedAsync();
        var writing = reception.KeepWritingAsync(enough.Token);
        await reception.StateAsync(s => s.Archived > before, "segments written since are stored");
        await reception.Cluster.KillAsync();
        var committed = await writing;
        await reception.StopAsync();

        // What the receiver holds is all there is: complete segments, and the tail filled up with zeros.
        var pgWal = Path.Combine(backup, "pg_wal");
        foreach (var segment in await reception.Lineage.Wal.ListSegmentsAsync(default))
        {
            await File.WriteAllBytesAsync(Path.Combine(pgWal, $"{segment.Name}"), await reception.StoredAsync(segment.Name));
        }
        foreach (var (name, length) in reception.Spool.List())
        {
            Assert.InRange(length, 1, reception.Size.Bytes);
            var bytes = new byte[reception.Size.Bytes];
            (await File.ReadAllBytesAsync(reception.Spool.PathOf(name))).CopyTo(bytes, 0);
            await File.WriteAllBytesAsync(Path.Combine(pgWal, $"{name}"), bytes);
        }
        await File.WriteAllTextAsync(Path.Combine(backup, "postgresql.auto.conf"), "");
        await using var restored = await TestCluster.OnDirectoryAsync(backup, reception.Cluster);
        await restored.StartAsync();
        var found = await restored.ScalarAsync<long>("SELECT count(DISTINCT i) FROM busy");
        // The one that was on its way when the server died may be there or not.
        Assert.InRange(found, committed, committed + 1);
    }

    [Fact]
    public async Task W8_a_failed_flush_stops_the_acknowledgement_until_the_segment_has_come_again()
    {
        await using var reception = await Reception.PrepareAsync();
        var process = reception.StartProcess();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        Lsn acknowledged;
        await using (await new Strace("fdatasync:error=EIO").AttachAsync(process.Pid))
        {
            acknowledged = await reception.SlotPositionAsync();
            await reception.WriteAsync(2);
            // It fails, starts anew, and fails again: nothing of that is acknowledged.
            await Eventually.IsTrueAsync(() => process.Error.Split("flushing").Length > 3, "flushing fails again and again");
            Assert.True(await reception.ServerFlushedAsync() > acknowledged);
            Assert.Equal(acknowledged, await reception.SlotPositionAsync());
        }
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() >= 2);
        Assert.DoesNotContain(Directory.EnumerateFiles(reception.Spool.Directory), f => f.EndsWith(".suspect", StringComparison.Ordinal));
    }

    [Fact]
    public async Task W9_a_full_disk_stops_receiving_and_room_resumes_it_without_loss()
    {
        await using var disk = await LoopDisk.CreateAsync(32);
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["wal_sender_timeout = 3s"] });
        await using var reception = await Reception.OfAsync(cluster, await cluster.CreateBarkeepRolesAsync(), home: Path.Combine(disk.MountPoint, "home"));
        reception.Start();
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();

        await disk.FillAsync(leaveBytes: 1 << 20);
        await reception.WriteAsync(12);
        var state = await reception.PhaseAsync(ReceiverPhase.DiskFull, ErrorKind.DiskFull);
        Assert.Contains("no space left", state.Reason, StringComparison.Ordinal);
        var received = reception.Spool.List().Max(f => f.Name.Start(reception.Size) + f.Length);
        Assert.True(await reception.SlotPositionAsync() <= received);
        Assert.True(await reception.ServerFlushedAsync() - received > 1 << 20);
        // The connection is kept: the server waits, and does not take the receiver for dead.
        var senders = await cluster.ScalarAsync<int>("SELECT min(pid) FROM pg_stat_replication");

        disk.Free();
        await reception.CaughtUpAsync();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.ArchivedAsync();
        Assert.Equal(senders, await cluster.ScalarAsync<int>("SELECT min(pid) FROM pg_stat_replication"));
        Assert.True(await reception.AssertEqualsServerAsync() >= 12);
        await reception.StopAsync();
    }

    [Fact]
    public async Task W11_a_second_receiver_waits_for_the_slot_names_its_holder_and_takes_over()
    {
        await using var first = await Reception.PrepareAsync();
        var process = first.StartProcess();
        await first.WriteAsync(1);
        await first.CaughtUpAsync();
        await using var second = await Reception.OfAsync(first.Cluster, new(first.Config.BackupPassword.Reveal(), first.Config.StreamingPassword.Reveal()));
        second.Start();
        var waiting = await second.PhaseAsync(ReceiverPhase.Waiting, ErrorKind.SlotInUse);
        Assert.Contains($"{await first.Cluster.ScalarAsync<int>("SELECT active_pid FROM pg_replication_slots")}", waiting.Reason, StringComparison.Ordinal);

        process.Send(Signal.Kill);
        await second.PhaseAsync(ReceiverPhase.Streaming);
        await first.WriteAsync(2);
        await second.CaughtUpAsync();
        await second.ArchivedAsync();
        Assert.True(await second.AssertEqualsServerAsync() > 0);
        await second.StopAsync();
    }

    [Fact]
    public async Task W12_a_silent_network_is_noticed_by_the_receivers_own_timeout()
    {
        await using var reception = await Reception.PrepareAsync(receiveTimeout: TimeSpan.FromSeconds(2));
        reception.Config = reception.Config with { ConnectTimeout = TimeSpan.FromSeconds(2) };
        reception.Start();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        var acknowledged = await reception.SlotPositionAsync();
        await using (await PortBlock.DropAsync(reception.Cluster.Port))
        {
            var lost = await reception.PhaseAsync(ReceiverPhase.Waiting);
            Assert.True(lost.Kind is ErrorKind.ConnectionLost or ErrorKind.ServerUnreachable, lost.Reason);
            Assert.True(lost.Flushed >= acknowledged, $"{lost.Flushed} after {acknowledged}");
        }
        await reception.WriteAsync(2);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
        // Quiet is not silence: an idle server answers when it is asked, and the connection stays.
        var sender = await reception.Cluster.ScalarAsync<int>("SELECT pid FROM pg_stat_replication");
        var heard = (await reception.StateAsync(s => s.LastMessageAt is not null, "a message")).LastMessageAt;
        await reception.StateAsync(s => s.LastMessageAt > heard + TimeSpan.FromSeconds(3), "messages over longer than the timeout");
        Assert.Equal(sender, await reception.Cluster.ScalarAsync<int>("SELECT pid FROM pg_stat_replication"));
    }

    /// <summary>The kernel may still hold a killed backend's shared memory for a moment; PostgreSQL refuses to start then.</summary>
    static Task StartAgainAsync(TestCluster cluster) => Eventually.IsTrueAsync(
        async () =>
        {
            try
            {
                await cluster.StartAsync();
                return true;
            }
            catch (InvalidOperationException)
            {
                return false;
            }
        },
        "the server starts again");

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_server_that_is_stopped_in_an_orderly_way_is_called_so_and_costs_nothing(int version)
    {
        await using var reception = await Reception.PrepareAsync(new() { Version = version });
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        await reception.WriteAsync(2);
        await reception.Cluster.StopAsync();
        await reception.PhaseAsync(ReceiverPhase.Waiting);
        var first = reception.Log.Split('\n').First(static l => l.Contains("waiting: ", StringComparison.Ordinal));
        Assert.Contains("the server has ended the stream, since it is being stopped", first, StringComparison.Ordinal);

        await reception.Cluster.StartAsync();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Fact]
    public async Task A_server_that_crashes_and_connections_that_break_cost_nothing()
    {
        await using var reception = await Reception.PrepareAsync();
        await using var relay = new TcpRelay(reception.Cluster.Port);
        reception.Config = reception.Config with { Port = relay.Port };
        reception.Start();
        for (var round = 0; round < 5; round++)
        {
            using var enough = new CancellationTokenSource();
            var writing = reception.KeepWritingAsync(enough.Token);
            var goal = relay.BytesToClients + (300 << 10);
            await Eventually.IsTrueAsync(() => relay.BytesToClients >= goal, "bytes are received");
            relay.Cut();
            await Eventually.IsTrueAsync(() => relay.BytesToClients >= goal + (600 << 10), "bytes are received again");
            await reception.Cluster.KillAsync();
            await writing;
            await StartAgainAsync(reception.Cluster);
        }
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 3);
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Fact]
    public async Task A_byte_flipped_on_the_way_is_found_and_the_segment_is_received_again()
    {
        await using var reception = await Reception.PrepareAsync();
        await using var relay = new TcpRelay(reception.Cluster.Port);
        reception.Config = reception.Config with { Port = relay.Port };
        await reception.CreateSlotAsync();
        await reception.WriteAsync(4);
        relay.CorruptAfter(1_700_000);
        reception.Start();
        await reception.CaughtUpAsync();
        await Eventually.IsTrueAsync(() => reception.Log.Contains("received WAL is damaged", StringComparison.Ordinal), $"the damage is found; {reception.Log}");
        await reception.ArchivedAsync();
        await reception.CaughtUpAsync();
        await Eventually.IsTrueAsync(async () => (await reception.Lineage.Wal.ListSegmentsAsync(default)).Count >= 4, "all segments are stored");
        Assert.True(await reception.AssertEqualsServerAsync() >= 4);
        Assert.Single(Directory.EnumerateFiles(reception.Spool.Directory, "*.damaged*"));
        Assert.Empty(await reception.Lineage.Wal.ListGapsAsync(default));
    }

    [Fact]
    public async Task W15_a_synchronous_commit_returns_when_it_is_flushed_here_not_before_and_not_later()
    {
        await using var reception = await Reception.PrepareAsync(new() { Configuration = ["wal_sender_timeout = 2s"] });
        var process = reception.StartProcess();
        await reception.WriteAsync(1);
        await reception.CaughtUpAsync();
        await reception.Cluster.SqlAsync("CREATE TABLE sync (i int)");
        await reception.Cluster.SqlAsync($"ALTER SYSTEM SET synchronous_standby_names = '{reception.Config.ApplicationName}'");
        await reception.Cluster.SqlAsync("SELECT pg_reload_conf()");
        await Eventually.IsTrueAsync(async () => await reception.Cluster.ScalarAsync<string>("SELECT sync_state FROM pg_stat_replication") == "sync", "the receiver is the synchronous standby");

        // At the status interval these would take a quarter of an hour.
        for (var i = 0; i < 100; i++)
        {
            await reception.Cluster.SqlAsync($"INSERT INTO sync VALUES ({i})");
        }

        // Now a disk that takes half a minute to flush. Replies go on meanwhile, since the server asks for them, and claim nothing new.
        Task commit;
        await using (await new Strace("fdatasync:delay_enter=30000000").AttachAsync(process.Pid))
        {
            var before = await reception.ServerFlushedAsync();
            commit = reception.Cluster.SqlAsync("INSERT INTO sync VALUES (-1)");
            await Eventually.IsTrueAsync(
                async () => await reception.ServerFlushedAsync() is var end && end > before
                    && reception.Spool.List().Any(f => f.Name.Start(reception.Size) + f.Length >= end),
                "the commit's bytes have come");
            for (var replies = 0; replies < 3; replies++)
            {
                var last = await reception.Cluster.ScalarAsync<DateTime>("SELECT reply_time FROM pg_stat_replication");
                await Eventually.IsTrueAsync(async () => await reception.Cluster.ScalarAsync<DateTime>("SELECT reply_time FROM pg_stat_replication") > last, "a reply");
            }
            Assert.True(await reception.Cluster.ScalarAsync<bool>("SELECT flush_lsn < pg_current_wal_flush_lsn() FROM pg_stat_replication"));
            Assert.False(commit.IsCompleted);
            Assert.Equal("SyncRep", await reception.Cluster.ScalarAsync<string>("SELECT wait_event FROM pg_stat_activity WHERE query LIKE 'INSERT INTO sync%' AND pid <> pg_backend_pid()"));
        }
        await commit;
    }
}
