using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Xunit;

namespace Barkeep.Tests.Postgres;

/// <summary>S4 for PostgreSQL: what each sslmode lets pass.</summary>
public sealed class TlsTests : IAsyncLifetime
{
    ThrowawayServer _server = null!;

    static CancellationToken Token => TestContext.Current.CancellationToken;

    string Certificate(string name) => Path.Combine(_server.Directory, name);

    public async ValueTask InitializeAsync()
    {
        _server = await ThrowawayServer.StartAsync("""
            hostssl replication holder 127.0.0.1/32 cert
            hostssl replication streamer 127.0.0.1/32 scram-sha-256
            hostnossl replication naked 127.0.0.1/32 trust
            hostssl postgres holder 127.0.0.1/32 cert
            hostssl postgres streamer 127.0.0.1/32 scram-sha-256
            hostnossl postgres naked 127.0.0.1/32 trust
            """);
        foreach (var authority in new[] { "ca", "other" })
        {
            await Make($"req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {authority}.key -out {authority}.crt -subj /CN={authority}");
        }
        await Make("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=ignored");
        await Make("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt -extfile san", "subjectAltName=DNS:localhost");
        await Make("req -newkey rsa:2048 -nodes -keyout client.key -out client.csr -subj /CN=holder");
        await Make("x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out client.crt");
        await ThrowawayServer.Run("chown", "postgres:", Certificate("server.key"), Certificate("server.crt"), Certificate("ca.crt"));
        await _server.SqlAsync("CREATE ROLE holder REPLICATION LOGIN; CREATE ROLE streamer REPLICATION LOGIN PASSWORD 'pw'; CREATE ROLE naked REPLICATION LOGIN");
        foreach (var (key, value) in new[] { ("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key"), ("ssl_ca_file", "ca.crt") })
        {
            await _server.SqlAsync($"ALTER SYSTEM SET {key} = '{Certificate(value)}'");
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    async Task Make(string command, string? extensions = null)
    {
        if (extensions is not null)
        {
            await File.WriteAllTextAsync(Certificate("san"), extensions, Token);
        }
        await ThrowawayServer.Run("sh", "-c", $"cd {_server.Directory} && openssl {command}");
    }

    async Task TurnOnAsync()
    {
        await _server.SqlAsync("ALTER SYSTEM SET ssl = on");
        await ThrowawayServer.AsPostgres("pg_ctl", "-D", _server.Data, "-w", "-l", Certificate("log"), "-m", "fast", "restart");
    }

    async Task<(ErrorKind? Kind, string Line)> TryAsync(
        SslMode mode, string? root = null, string host = "localhost", string user = "streamer", string? client = null)
    {
        try
        {
            await using var connection = await ReplicationConnection.ConnectAsync(
                new()
                {
                    Host = host,
                    Port = _server.Port,
                    User = user,
                    Password = new("pw"),
                    SslMode = mode,
                    SslRootCertificate = root is null ? null : Certificate(root),
                    SslCertificate = client is null ? null : Certificate($"{client}.crt"),
                    SslKey = client is null ? null : Certificate($"{client}.key"),
                },
                Token);
            await connection.IdentifySystemAsync(Token);
            return (null, await _server.SqlAsync("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)"));
        }
        catch (BarkeepException e)
        {
            return (e.Kind, e.Line);
        }
    }

    [Fact]
    public async Task S4_each_sslmode_lets_pass_what_libpq_lets_pass_and_nothing_else()
    {
        Assert.Equal(ErrorKind.AuthenticationFailed, (await TryAsync(SslMode.Require)).Kind);
        Assert.Equal((null, "f"), await TryAsync(SslMode.Prefer, user: "naked"));
        await TurnOnAsync();

        // SCRAM binds to the TLS channel here, since both sides can.
        Assert.Equal((null, "t"), await TryAsync(SslMode.Prefer));
        Assert.Equal((null, "t"), await TryAsync(SslMode.Require));
        Assert.Equal((null, "t"), await TryAsync(SslMode.Require, "ca.crt"));
        Assert.Equal((null, "t"), await TryAsync(SslMode.VerifyCa, "ca.crt"));
        Assert.Equal((null, "t"), await TryAsync(SslMode.VerifyFull, "ca.crt"));
        Assert.Equal((null, "t"), await TryAsync(SslMode.VerifyCa, "ca.crt", host: "127.0.0.1"));
        Assert.Equal((null, "t"), await TryAsync(SslMode.Require, user: "holder", client: "client"));

        // No silent fallback.
        Assert.Equal(ErrorKind.NoReplicationPrivilege, (await TryAsync(SslMode.Disable)).Kind);
        Assert.Equal(ErrorKind.NoReplicationPrivilege, (await TryAsync(SslMode.Require, user: "naked")).Kind);
        Assert.Equal((null, "f"), await TryAsync(SslMode.Prefer, user: "naked"));
        foreach (var mode in new[] { SslMode.Require, SslMode.VerifyCa, SslMode.VerifyFull })
        {
            Assert.Equal(ErrorKind.AuthenticationFailed, (await TryAsync(mode, "other.crt")).Kind);
        }
        var wrongName = await TryAsync(SslMode.VerifyFull, "ca.crt", host: "127.0.0.1");
        Assert.Equal(ErrorKind.AuthenticationFailed, wrongName.Kind);
        Assert.Contains("not for 127.0.0.1", wrongName.Line, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.AuthenticationFailed, (await TryAsync(SslMode.VerifyFull)).Kind);

        // What cannot be checked as asked is a configuration error, told before the server is asked.
        Assert.Equal(ErrorKind.Configuration, (await TryAsync(SslMode.VerifyCa)).Kind);
        Assert.Equal(ErrorKind.Configuration, (await TryAsync(SslMode.VerifyFull, "missing.crt")).Kind);
        Assert.Equal(ErrorKind.Configuration, (await TryAsync(SslMode.VerifyFull, "server.key")).Kind);
        Assert.NotNull((await TryAsync(SslMode.Require, user: "holder")).Kind);
    }

    [Fact]
    public async Task S4_SQL_connections_let_pass_the_same_and_nothing_else()
    {
        Assert.Equal(ErrorKind.AuthenticationFailed, (await TrySqlAsync(SslMode.Require)).Kind);
        Assert.Equal((null, "f"), await TrySqlAsync(SslMode.Prefer, user: "naked"));
        await TurnOnAsync();

        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.Prefer));
        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.Require));
        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.Require, "ca.crt"));
        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.VerifyCa, "ca.crt", host: "127.0.0.1"));
        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.VerifyFull, "ca.crt"));
        Assert.Equal((null, "t"), await TrySqlAsync(SslMode.Require, user: "holder", client: "client"));

        Assert.Equal(ErrorKind.AuthenticationFailed, (await TrySqlAsync(SslMode.Disable)).Kind);
        Assert.Equal(ErrorKind.AuthenticationFailed, (await TrySqlAsync(SslMode.Require, user: "naked")).Kind);
        foreach (var mode in new[] { SslMode.Require, SslMode.VerifyCa, SslMode.VerifyFull })
        {
            Assert.Equal(ErrorKind.AuthenticationFailed, (await TrySqlAsync(mode, "other.crt")).Kind);
        }
        var wrongName = await TrySqlAsync(SslMode.VerifyFull, "ca.crt", host: "127.0.0.1");
        Assert.Equal(ErrorKind.AuthenticationFailed, wrongName.Kind);
        Assert.Contains("not for 127.0.0.1", wrongName.Line, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.AuthenticationFailed, (await TrySqlAsync(SslMode.VerifyFull)).Kind);
        Assert.Equal(ErrorKind.Configuration, (await TrySqlAsync(SslMode.VerifyCa)).Kind);
        Assert.Equal(ErrorKind.Configuration, (await TrySqlAsync(SslMode.VerifyFull, "missing.crt")).Kind);
    }

    async Task<(ErrorKind? Kind, string Line)> TrySqlAsync(
        SslMode mode, string? root = null, string host = "localhost", string user = "streamer", string? client = null)
    {
        var server = new ServerConfig
        {
            Name = ServerName.Parse("main"),
            Description = "main",
            Host = host,
            Port = _server.Port,
            Database = "postgres",
            BackupUser = user,
            BackupPassword = new("pw"),
            StreamingUser = user,
            StreamingPassword = Secret.None,
            SlotName = "main",
            ApplicationName = "main",
            SslMode = mode,
            SslRootCertificate = root is null ? null : Certificate(root),
            SslCertificate = client is null ? null : Certificate($"{client}.crt"),
            SslKey = client is null ? null : Certificate($"{client}.key"),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            ReceiveTimeout = TimeSpan.FromSeconds(60),
            Jobs = 1,
            BandwidthLimit = 0,
        };
        try
        {
            await using var session = await SqlSession.OpenAsync(server, "test", Token);
            return (null, await session.ScalarAsync<bool>("asking", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", Token) ? "t" : "f");
        }
        catch (BarkeepException e)
        {
            return (e.Kind, e.Line);
        }
    }
}
