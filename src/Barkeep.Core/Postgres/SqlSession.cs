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

    // Seconds without a byte after which an answer will not come any more.
    const int SilenceLimit = 300;

    /// <summary>How long a goodbye may take. A network that is dead is not waited for.</summary>
    public static readonly TimeSpan PartingLimit = TimeSpan.FromSeconds(3);

    readonly ConnectionTarget _target;
    readonly NpgsqlDataSource _source;
    readonly NpgsqlConnection _connection;

    SqlSession(ConnectionTarget target, NpgsqlDataSource source, NpgsqlConnection connection)
    {
        _target = target;
        _source = source;
        _connection = connection;
    }

    /// <summary>The server's version as in server_version_num: 150018. Newer minor numbers only add to the last two digits.</summary>
    public int VersionNumber => (_connection.PostgreSqlVersion.Major * 10_000) + Math.Max(0, _connection.PostgreSqlVersion.Minor);

    /// <summary>Connects.</summary>
    /// <param name="purpose">What pg_stat_activity shows after <c>barkeep</c>.</param>
    public static async Task<SqlSession> OpenAsync(ServerConfig server, string purpose, CancellationToken cancellationToken)
    {
        var target = ConnectionTarget.ForBackup(server);
        string? refusal = null;
        var source = BuildSource(target, purpose, why => refusal = why);
        try
        {
            var session = new SqlSession(target, source, await source.OpenConnectionAsync(cancellationToken));
            if (session.VersionNumber >= 140000)
            {
                await session.ExecuteAsync("setting up the session", "SET idle_session_timeout = 0", cancellationToken);
            }
            return session;
        }
        catch (Exception e)
        {
            await source.DisposeAsync();
            if (e is BarkeepException or OperationCanceledException)
            {
                throw;
            }
            throw SqlFailure.WhileConnecting(e, target, refusal);
        }
    }

    /// <summary>Runs a statement for its effect.</summary>
    /// <param name="doing">What it is for, in the message of a failure: <c>ending the backup</c>.</param>
    public Task ExecuteAsync(string doing, string sql, CancellationToken cancellationToken) =>
        GuardAsync(doing, sql, static async (command, token) => await command.ExecuteNonQueryAsync(token), cancellationToken);

    /// <summary>As <see cref="ScalarAsync"/>, for a statement that may take hours, as one that waits for a spread checkpoint.</summary>
    public Task<T> WaitForScalarAsync<T>(string doing, string sql, CancellationToken cancellationToken) =>
        GuardAsync(doing, sql, static async (command, token) =>
        {
            command.CommandTimeout = 0;
            return (T)(await command.ExecuteScalarAsync(token))!;
        }, cancellationToken);

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
            var rows = new CopyRows(stream, _target, doing);
            await rows.ReadHeaderAsync(cancellationToken);
            return rows;
        }
        catch (Exception e) when (e is not BarkeepException and not OperationCanceledException)
        {
            throw SqlFailure.WhileRunning(e, _target, doing);
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

    public async ValueTask DisposeAsync() => await PartAsync(async () =>
    {
        await _connection.DisposeAsync();
        await _source.DisposeAsync();
    });

    /// <summary>
    /// Says goodbye, for no longer than <see cref="PartingLimit"/>. In a thread of its own: to end a statement Npgsql
    /// connects anew, and blocks while it does.
    /// </summary>
    internal static async Task PartAsync(Func<Task> goodbye)
    {
        try
        {
            await Task.Run(goodbye).WaitAsync(PartingLimit);
        }
        catch (TimeoutException)
        {
            // The network is dead: the server finds that out by itself.
        }
    }

    async Task<T> GuardAsync<T>(string doing, string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
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
            throw SqlFailure.WhileRunning(e, _target, doing);
        }
    }

    static NpgsqlDataSource BuildSource(ConnectionTarget target, string purpose, Action<string> refused)
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = target.Host,
            Port = target.Port,
            Database = target.Database,
            Username = target.User,
            ApplicationName = $"barkeep {purpose}",
            Options = SessionSettings,
            ClientEncoding = "UTF8",
            Timeout = (int)Math.Clamp(target.ConnectTimeout.TotalSeconds, 1, 1024),
            CommandTimeout = SilenceLimit,
            Pooling = false,
            Enlist = false,
            GssEncryptionMode = GssEncryptionMode.Disable,
            // What a certificate must be is checked by the callback, alike for SQL and replication.
            SslMode = target.SslMode switch
            {
                Configuration.SslMode.Disable => Npgsql.SslMode.Disable,
                Configuration.SslMode.Prefer => Npgsql.SslMode.Prefer,
                _ => Npgsql.SslMode.Require,
            },
            TcpKeepAlive = true,
            TcpKeepAliveTime = 30,
            TcpKeepAliveInterval = 10,
            ReadBufferSize = ReadBuffer,
            IncludeErrorDetail = false,
        };
        if (!target.Password.IsEmpty)
        {
            settings.Password = target.Password.Reveal();
        }
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        if (target.SslMode != Configuration.SslMode.Disable && !target.IsUnixSocket)
        {
            // Read now and again in the handshake: unreadable files must not look like the server's fault.
            WireTls.Configure(new(), target, refused);
            builder.EnableTransportSecurity();
            builder.UseSslClientAuthenticationOptionsCallback(options => WireTls.Configure(options, target, refused));
        }
        builder.ConfigureTypeLoading(static types => types.EnableTypeLoading(false));
        return builder.Build();
    }
}
