using Barkeep.Common;
using Barkeep.Configuration;
using Npgsql;

namespace Barkeep.Postgres;

/// <summary>
/// A connection for SQL as the backup role, in the configured database. Not for several threads at once. Every failure
/// is a <see cref="BarkeepException"/> that says what was being done; ServerUnreachable, AuthenticationFailed,
/// MissingGrant, NoFreeWalSender, ConnectionLost or ServerError. Cancelling a statement cancels it on the server too.
/// </summary>
public sealed class SqlSession : IAsyncDisposable
{
    // A server setting or a role's own must not change what statements mean, or end a session that waits on purpose.
    const string SessionSettings =
        "-c search_path=pg_catalog -c standard_conforming_strings=on -c statement_timeout=0 -c lock_timeout=0"
        + " -c idle_in_transaction_session_timeout=0 -c jit=off -c DateStyle=ISO -c default_transaction_read_only=off";

    // Two rows of file bytes: with Npgsql's default of 8 KiB every 8 KiB of a file are a system call.
    const int ReadBuffer = 256 << 10;

    readonly ServerConfig _server;
    readonly NpgsqlDataSource _source;
    readonly NpgsqlConnection _connection;

    SqlSession(ServerConfig server, NpgsqlDataSource source, NpgsqlConnection connection)
    {
        _server = server;
        _source = source;
        _connection = connection;
    }

    /// <summary>The server's version as in server_version_num: 150018. Newer minor numbers only add to the last two digits.</summary>
    public int VersionNumber => (_connection.PostgreSqlVersion.Major * 10_000) + Math.Max(0, _connection.PostgreSqlVersion.Minor);

    /// <summary>Connects.</summary>
    /// <param name="purpose">What pg_stat_activity shows after <c>barkeep</c>.</param>
    public static async Task<SqlSession> OpenAsync(ServerConfig server, string purpose, CancellationToken cancellationToken)
    {
        var source = BuildSource(server, purpose);
        try
        {
            var connection = await source.OpenConnectionAsync(cancellationToken);
            var session = new SqlSession(server, source, connection);
            if (session.VersionNumber >= 140000)
            {
                await session.ExecuteAsync("setting up the session", "SET idle_session_timeout = 0", cancellationToken);
            }
            return session;
        }
        catch (Exception e) when (e is not BarkeepException and not OperationCanceledException)
        {
            await source.DisposeAsync();
            throw SqlFailure.WhileConnecting(e, server);
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a statement for its effect.</summary>
    /// <param name="doing">What it is for, in the message of a failure: <c>ending the backup</c>.</param>
    public Task ExecuteAsync(string doing, string sql, CancellationToken cancellationToken) =>
        GuardAsync(doing, sql, async (command, token) => await command.ExecuteNonQueryAsync(token), cancellationToken);

    /// <summary>The first column of the first row.</summary>
    public Task<T> ScalarAsync<T>(string doing, string sql, CancellationToken cancellationToken) =>
        GuardAsync(doing, sql, async (command, token) => (T)(await command.ExecuteScalarAsync(token))!, cancellationToken);

    /// <summary>All rows, each through <paramref name="read"/>.</summary>
    public Task<List<T>> ListAsync<T>(string doing, string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken) =>
        GuardAsync(doing, sql, async (command, token) =>
        {
            var rows = new List<T>();
            await using var reader = await command.ExecuteReaderAsync(token);
            while (await reader.ReadAsync(token))
            {
                rows.Add(read(reader));
            }
            return rows;
        }, cancellationToken);

    /// <summary>Begins <c>COPY (query) TO STDOUT (FORMAT BINARY)</c>; the session is busy until the result is disposed.</summary>
    public async Task<CopyRows> CopyAsync(string doing, string query, CancellationToken cancellationToken)
    {
        try
        {
            var stream = await _connection.BeginRawBinaryCopyAsync($"COPY ({query}) TO STDOUT (FORMAT BINARY)", cancellationToken);
            var rows = new CopyRows(stream, _server, doing);
            await rows.ReadHeaderAsync(cancellationToken);
            return rows;
        }
        catch (Exception e) when (e is not BarkeepException and not OperationCanceledException)
        {
            throw SqlFailure.WhileRunning(e, _server, doing);
        }
    }

    /// <summary>
    /// Has a primary write and flush a record: the commit of a transaction that did nothing but take an id. No privilege is
    /// needed, and no standby is waited for: it may be the one that is to be started.
    /// </summary>
    public async Task WriteLittleWalAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync("setting up the session", "SET synchronous_commit = local", cancellationToken);
        await ExecuteAsync("writing a little WAL", "SELECT pg_current_xact_id()", cancellationToken);
    }

    /// <summary>A text as an SQL literal.</summary>
    public static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _source.DisposeAsync();
    }

    async Task<T> GuardAsync<T>(string doing, string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        // A statement may wait for a checkpoint that is spread over many minutes; keepalives notice a dead peer.
        command.CommandTimeout = 0;
        try
        {
            return await run(command, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            throw;
        }
        catch (Exception e) when (e is not BarkeepException)
        {
            throw SqlFailure.WhileRunning(e, _server, doing);
        }
    }

    static NpgsqlDataSource BuildSource(ServerConfig server, string purpose)
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = server.Host,
            Port = server.Port,
            Database = server.Database,
            Username = server.BackupUser,
            ApplicationName = $"barkeep {purpose}",
            Options = SessionSettings,
            ClientEncoding = "UTF8",
            Timeout = (int)Math.Clamp(server.ConnectTimeout.TotalSeconds, 1, 1024),
            Pooling = false,
            Enlist = false,
            SslMode = ModeOf(server),
            RootCertificate = server.SslRootCertificate,
            SslCertificate = server.SslCertificate,
            SslKey = server.SslKey,
            TcpKeepAlive = true,
            TcpKeepAliveTime = 30,
            TcpKeepAliveInterval = 10,
            ReadBufferSize = ReadBuffer,
            IncludeErrorDetail = false,
        };
        if (!server.BackupPassword.IsEmpty)
        {
            settings.Password = server.BackupPassword.Reveal();
        }
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        builder.EnableTransportSecurity();
        builder.ConfigureTypeLoading(static types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    // libpq's "require" checks the certificate as soon as there is a root certificate to check it by.
    static Npgsql.SslMode ModeOf(ServerConfig server) => server.SslMode switch
    {
        Configuration.SslMode.Disable => Npgsql.SslMode.Disable,
        Configuration.SslMode.Prefer => Npgsql.SslMode.Prefer,
        Configuration.SslMode.Require when server.SslRootCertificate is null => Npgsql.SslMode.Require,
        Configuration.SslMode.Require or Configuration.SslMode.VerifyCa => Npgsql.SslMode.VerifyCA,
        _ => Npgsql.SslMode.VerifyFull,
    };
}
