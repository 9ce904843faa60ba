using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Postgres;

public sealed class ReplicationConnectionTests
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    const string EveryMethod = """
        host replication trusted 127.0.0.1/32 trust
        host replication md5er 127.0.0.1/32 md5
        host replication scrammer 127.0.0.1/32 scram-sha-256
        host replication clear 127.0.0.1/32 password
        host replication plainrole 127.0.0.1/32 trust
        """;

    static async Task<ThrowawayServer> WithRolesAsync()
    {
        var server = await ThrowawayServer.StartAsync(EveryMethod, "max_wal_senders=2\n");
        await server.SqlAsync("""
            SET password_encryption = 'md5'; CREATE ROLE md5er REPLICATION LOGIN PASSWORD 'mötley crüe';
            SET password_encryption = 'scram-sha-256'; CREATE ROLE scrammer REPLICATION LOGIN PASSWORD 'p,a=ss word';
            CREATE ROLE clear REPLICATION LOGIN PASSWORD 'clear as day'; CREATE ROLE trusted REPLICATION LOGIN;
            CREATE ROLE plainrole LOGIN; CREATE ROLE outsider REPLICATION LOGIN
            """.ReplaceLineEndings(" "));
        return server;
    }

    static ConnectionTarget Target(ThrowawayServer server, string user, string? password = null) =>
        new() { Host = "127.0.0.1", Port = server.Port, User = user, Password = new(password ?? "") };

    static async Task<BarkeepException> RefusalAsync(ConnectionTarget target) =>
        await Assert.ThrowsAsync<BarkeepException>(async () =>
        {
            await using var connection = await ReplicationConnection.ConnectAsync(target, Token);
        });

    [Fact]
    public async Task Each_authentication_method_lets_the_right_password_in_and_no_other()
    {
        await using var server = await WithRolesAsync();
        var systemId = await server.SqlAsync("SELECT system_identifier FROM pg_control_system()");
        foreach (var (user, password) in new[] { ("trusted", null), ("md5er", "mötley crüe"), ("scrammer", "p,a=ss word"), ("clear", "clear as day") })
        {
            await using var connection = await ReplicationConnection.ConnectAsync(Target(server, user, password), Token);
            var identity = await connection.IdentifySystemAsync(Token);
            Assert.Equal(systemId, $"{identity.SystemId}");
            Assert.Equal(15, connection.MajorVersion);
            Assert.Equal(new SegmentSize(1 << 20), await connection.ShowSegmentSizeAsync(Token));
        }
        foreach (var user in new[] { "md5er", "scrammer", "clear" })
        {
            var refusal = await RefusalAsync(Target(server, user, "canary-7f3"));
            Assert.Equal(ErrorKind.AuthenticationFailed, refusal.Kind);
            Assert.DoesNotContain("canary-7f3", refusal.ToString(), StringComparison.Ordinal);
            Assert.Equal(ErrorKind.AuthenticationFailed, (await RefusalAsync(Target(server, user))).Kind);
        }
    }

    [Fact]
    public async Task Who_is_not_let_in_learns_what_is_missing()
    {
        await using var server = await WithRolesAsync();
        var notInHba = await RefusalAsync(Target(server, "outsider"));
        Assert.Equal(ErrorKind.NoReplicationPrivilege, notInHba.Kind);
        Assert.Contains("pg_hba.conf", notInHba.Line, StringComparison.Ordinal);
        var noAttribute = await RefusalAsync(Target(server, "plainrole"));
        Assert.Equal(ErrorKind.NoReplicationPrivilege, noAttribute.Kind);
        Assert.Contains("ALTER ROLE plainrole WITH REPLICATION", noAttribute.Line, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.ServerUnreachable, (await RefusalAsync(new() { Host = "127.0.0.1", Port = 1, User = "u" })).Kind);
        Assert.Equal(ErrorKind.ServerUnreachable, (await RefusalAsync(new() { Host = server.Directory, Port = 1, User = "u" })).Kind);
        Assert.Equal(ErrorKind.ServerUnreachable, (await RefusalAsync(new() { Host = "no-such-host.invalid", Port = 1, User = "u" })).Kind);

        // Both WAL senders are taken: the third finds none.
        await using var first = await ReplicationConnection.ConnectAsync(Target(server, "trusted"), Token);
        await using var second = await ReplicationConnection.ConnectAsync(Target(server, "trusted"), Token);
        Assert.Equal(ErrorKind.NoFreeWalSender, (await RefusalAsync(Target(server, "trusted"))).Kind);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up_in_time()
    {
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        var port = ((System.Net.IPEndPoint)silent.LocalEndpoint).Port;
        var refusal = await RefusalAsync(new() { Host = "localhost", Port = port, User = "u", ConnectTimeout = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(ErrorKind.ServerUnreachable, refusal.Kind);
    }

    [Fact]
    public async Task A_peer_that_announces_a_huge_message_is_refused_before_any_memory_is_taken()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        var answering = Task.Run(
            async () =>
            {
                using var peer = await listener.AcceptSocketAsync(Token);
                var startup = new byte[512];
                await peer.ReceiveAsync(startup, Token);
                await peer.SendAsync(new byte[] { (byte)'R', 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0 }, Token);
                await peer.ReceiveAsync(startup, Token);
            },
            Token);
        var before = GC.GetTotalAllocatedBytes();
        var refusal = await RefusalAsync(new() { Host = "127.0.0.1", Port = port, User = "u", SslMode = SslMode.Disable });
        Assert.Contains("malformed", refusal.Message, StringComparison.Ordinal);
        Assert.True(GC.GetTotalAllocatedBytes() - before < 64 << 20);
        await answering;
    }

    [Fact]
    public async Task Slots_are_made_read_used_and_dropped_and_each_misuse_has_its_kind()
    {
        await using var server = await WithRolesAsync();
        var target = new ConnectionTarget { Host = server.Directory, Port = server.Port, User = "postgres", ApplicationName = "unix socket" };
        await using var connection = await ReplicationConnection.ConnectAsync(target, Token);
        Assert.Equal(ErrorKind.Configuration, (await Assert.ThrowsAsync<BarkeepException>(() => connection.ReadSlotAsync("keep\"; DROP", Token))).Kind);
        Assert.Null(await connection.ReadSlotAsync("keep", Token));
        await connection.CreateSlotAsync("keep", Token);
        var slot = await connection.ReadSlotAsync("keep", Token);
        Assert.Equal(await server.SqlAsync("SELECT restart_lsn FROM pg_replication_slots"), $"{slot!.Value.RestartLsn}");
        Assert.Equal(new TimelineId(1), slot.Value.RestartTimeline);

        Assert.Equal(ErrorKind.SlotMissing, (await Assert.ThrowsAsync<BarkeepException>(() => connection.DropSlotAsync("nobody", Token))).Kind);
        Assert.Equal(ErrorKind.SlotMissing, (await Assert.ThrowsAsync<BarkeepException>(
            () => connection.StartAsync("nobody", slot.Value.RestartLsn, new(1), Token))).Kind);

        Assert.Null(await connection.StartAsync("keep", slot.Value.RestartLsn.AlignDown(1 << 20), new(1), Token));
        await using var second = await ReplicationConnection.ConnectAsync(target, Token);
        var inUse = await Assert.ThrowsAsync<BarkeepException>(() => second.StartAsync("keep", slot.Value.RestartLsn, new(1), Token));
        Assert.Equal(ErrorKind.SlotInUse, inUse.Kind);
        Assert.Contains(await server.SqlAsync("SELECT active_pid FROM pg_replication_slots"), inUse.Line, StringComparison.Ordinal);

        // The connection that streams ends its stream and can be used again.
        await connection.SendDoneAsync(Token);
        while ((await connection.ReadAsync(Token)).Kind != WalMessageKind.End)
        {
        }
        Assert.Null(await connection.FinishAsync(Token));
        await connection.DropSlotAsync("keep", Token);

        await server.SqlAsync("SELECT pg_switch_wal(); CREATE TABLE t(); SELECT pg_switch_wal(); CHECKPOINT; CHECKPOINT");
        Assert.Null(await connection.TimelineHistoryAsync(new(7), Token));
        // The server opens the stream first and only then looks for the segment.
        Assert.Null(await connection.StartAsync(null, new(1 << 20), new(1), Token));
        Assert.Equal(ErrorKind.WalGap, (await Assert.ThrowsAsync<BarkeepException>(async () => await connection.ReadAsync(Token))).Kind);
    }

    [Fact]
    public async Task The_stream_carries_the_bytes_of_pg_wal_and_the_server_sees_only_what_was_reported()
    {
        await using var server = await WithRolesAsync();
        await using var connection = await ReplicationConnection.ConnectAsync(Target(server, "trusted"), Token);
        var begin = (await connection.IdentifySystemAsync(Token)).Flushed.AlignDown(1 << 20);
        await server.SqlAsync("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i");
        var end = Lsn.Parse(await server.SqlAsync("SELECT pg_current_wal_flush_lsn()"));
        Assert.Null(await connection.StartAsync(null, begin, new(1), Token));

        var received = new byte[end - begin];
        var upTo = begin;
        while (upTo < end)
        {
            var message = await connection.ReadAsync(Token);
            if (message.Kind == WalMessageKind.Data)
            {
                Assert.Equal(upTo, message.Start);
                var count = (int)Math.Min(message.Data.Length, end - upTo);
                message.Data.Span[..count].CopyTo(received.AsSpan((int)(upTo - begin)));
                upTo += message.Data.Length;
            }
        }
        foreach (var offset in Enumerable.Range(0, (int)((end - begin) >> 20)))
        {
            var name = SegmentName.Containing(new(1), begin + ((long)offset << 20), new(1 << 20));
            var stored = await File.ReadAllBytesAsync(Path.Combine(server.Data, "pg_wal", $"{name}"), Token);
            Assert.True(received.AsSpan(offset << 20, 1 << 20).SequenceEqual(stored));
        }

        await connection.SendStatusAsync(begin + 4096, begin + 1024, requestReply: true, DateTimeOffset.UtcNow, Token);
        while ((await connection.ReadAsync(Token)).Kind != WalMessageKind.Keepalive)
        {
        }
        Assert.Equal(
            $"{begin + 4096}|{begin + 1024}||barkeep",
            await server.SqlAsync("SELECT write_lsn, flush_lsn, replay_lsn, application_name FROM pg_stat_replication"));
    }
}
