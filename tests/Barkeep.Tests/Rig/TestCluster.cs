using System.Globalization;
using System.Security.Cryptography;
using Npgsql;

namespace Barkeep.Tests.Rig;

/// <summary>
/// A real PostgreSQL cluster on 127.0.0.1, on a port and in a directory of its own; ended by its process id and
/// removed when disposed. Connections are not pooled: a test kills and restarts its server.
/// </summary>
public sealed class TestCluster : IAsyncDisposable
{
    public const string Superuser = "postgres";

    static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(90);

    readonly string _directory;
    readonly Dictionary<string, string> _passwords;
    ServerProcess? _server;

    TestCluster(PostgresInstallation installation, string directory, string dataDirectory, Dictionary<string, string> passwords)
    {
        Installation = installation;
        _directory = directory;
        DataDirectory = dataDirectory;
        _passwords = passwords;
        SocketDirectory = Path.Combine(directory, "sock");
        Directory.CreateDirectory(SocketDirectory);
        Port = FreePort.Take();
    }

    public PostgresInstallation Installation { get; }

    public int Version => Installation.Version;

    public string DataDirectory { get; }

    public string SocketDirectory { get; }

    public int Port { get; }

    /// <summary>The server's log, over all its starts.</summary>
    public string LogFile => Path.Combine(_directory, "log");

    public string SuperuserPassword => _passwords[Superuser];

    /// <summary>The postmaster's process id.</summary>
    public int Pid => Running.Pid;

    public bool IsRunning => _server is { HasExited: false };

    ServerProcess Running => _server ?? throw new InvalidOperationException($"the server of {DataDirectory} is not started");

    /// <summary>Makes a cluster and starts it.</summary>
    public static async Task<TestCluster> StartNewAsync(TestClusterOptions? options = null)
    {
        var cluster = await CreateAsync(options ?? new());
        try
        {
            await cluster.StartAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a cluster of a version, otherwise like any, and starts it.</summary>
    public static Task<TestCluster> StartNewAsync(int version) => StartNewAsync(new TestClusterOptions { Version = version });

    /// <summary>Makes a cluster without starting it.</summary>
    public static async Task<TestCluster> CreateAsync(TestClusterOptions options)
    {
        var cluster = await PrepareAsync(options.Version, NewPasswords());
        var passwordFile = Path.Combine(cluster._directory, "password");
        await File.WriteAllTextAsync(passwordFile, cluster.SuperuserPassword);
        await PostgresUser.OwnAsync(cluster._directory);
        var arguments = new List<string>
        {
            "--pgdata", cluster.DataDirectory, "--username", Superuser, "--pwfile", passwordFile, "--no-locale", "--encoding", "UTF8", "--no-sync",
            "--auth", options.TrustAuthentication ? "trust" : "scram-sha-256",
            "--wal-segsize", options.WalSegmentSizeMb.ToString(CultureInfo.InvariantCulture),
        };
        // Since version 18 checksums are the default.
        arguments.AddRange(options.Checksums ? ["--data-checksums"] : options.Version >= 18 ? ["--no-data-checksums"] : []);
        (await cluster.Installation.RunAsync("initdb", arguments)).Checked();
        File.Delete(passwordFile);
        await cluster.ConfigureAsync([.. FastSettings(options), .. options.Configuration]);
        var access = Path.Combine(cluster.DataDirectory, "pg_hba.conf");
        await File.WriteAllLinesAsync(access, [.. options.HostBasedAuthentication, .. await File.ReadAllLinesAsync(access)]);
        return cluster;
    }

    /// <summary>
    /// A server on a data directory that is there already, a restored one for example, given nothing but its port and
    /// addresses; not started yet. The directory is given to the postgres user, and outlives this object.
    /// </summary>
    /// <param name="like">The cluster whose passwords hold in it too, since it is a copy.</param>
    public static async Task<TestCluster> OnDirectoryAsync(string dataDirectory, TestCluster like)
    {
        var cluster = await PrepareAsync(like.Version, like._passwords, dataDirectory);
        await PostgresUser.OwnAsync(dataDirectory);
        return cluster;
    }

    /// <summary>Starts the server and waits until it takes connections.</summary>
    public Task StartAsync(params string[] arguments) => StartAsync(StartDeadline, arguments);

    /// <inheritdoc cref="StartAsync(string[])"/>
    public async Task StartAsync(TimeSpan within, params string[] arguments)
    {
        if (IsRunning)
        {
            throw new InvalidOperationException("the server runs already");
        }
        _server?.Dispose();
        _server = ServerProcess.Start(Installation, LogFile,
        [
            "-D", DataDirectory, "-p", $"{Port}", "-k", SocketDirectory, "-h", "127.0.0.1", .. arguments,
        ]);
        await _server.ReadyAsync(DataDirectory, within);
    }

    /// <summary>Waits until recovery has ended and the server takes writes; a restored one refuses connections until then.</summary>
    public Task RecoveredAsync() => Eventually.IsTrueAsync(IsRecoveredAsync, $"recovery of {DataDirectory} ends", StartDeadline);

    /// <summary>A fast shutdown: sessions end, a checkpoint is written, senders may send it.</summary>
    public Task StopAsync() => StopAsync(Signal.Interrupt);

    /// <summary>An immediate shutdown: the next start recovers from WAL.</summary>
    public Task StopImmediatelyAsync() => StopAsync(Signal.Quit);

    /// <summary>kill -9 of the server with all its processes.</summary>
    public async Task KillAsync()
    {
        ServerProcess.KillAll(Pid);
        await Running.ExitAsync(StartDeadline);
        // The lock on the socket outlives its holder and would name a process id that another may have.
        foreach (var left in Directory.EnumerateFiles(SocketDirectory))
        {
            File.Delete(left);
        }
    }

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    /// <summary>Adds lines to postgresql.conf; a running server is not told.</summary>
    public Task ConfigureAsync(params string[] lines) =>
        File.AppendAllLinesAsync(Path.Combine(DataDirectory, "postgresql.conf"), lines);

    /// <summary>Makes this standby a primary on a new timeline.</summary>
    public async Task PromoteAsync() => await SqlAsync("SELECT pg_promote(true, 60)");

    /// <summary>A standby of this cluster, streaming from it and started. Tablespaces go into the standby's own directory.</summary>
    /// <param name="lines">More lines for its postgresql.conf.</param>
    public async Task<TestCluster> StartStandbyAsync(params string[] lines)
    {
        var standby = await PrepareAsync(Version, _passwords);
        await PostgresUser.OwnAsync(standby._directory);
        var tablespaces = await ListAsync("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''");
        var mapping = tablespaces.Select(from => $"--tablespace-mapping={from}={Path.Combine(standby._directory, Path.GetFileName(from))}");
        (await RunAsync("pg_basebackup", ["--pgdata", standby.DataDirectory, "--write-recovery-conf", "--checkpoint=fast", "--no-sync", .. mapping])).Checked();
        await standby.ConfigureAsync(lines);
        await standby.StartAsync();
        return standby;
    }

    /// <summary>A new empty directory of this cluster, owned by the postgres user: for a tablespace, a base backup.</summary>
    public async Task<string> NewDirectoryAsync(string name)
    {
        var path = Directory.CreateDirectory(Path.Combine(_directory, name)).FullName;
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await PostgresUser.OwnAsync(path);
        return path;
    }

    /// <summary>A connection string for a user whose password the rig knows, or for the given password.</summary>
    public string ConnectionString(string user = Superuser, string database = "postgres", string? password = null) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = Port,
            Username = user,
            Password = password ?? _passwords.GetValueOrDefault(user),
            Database = database,
            Pooling = false,
            Timeout = 30,
            CommandTimeout = 120,
            IncludeErrorDetail = true,
        }.ConnectionString;

    public async Task<NpgsqlConnection> OpenAsync(string user = Superuser, string database = "postgres")
    {
        var connection = new NpgsqlConnection(ConnectionString(user, database));
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Runs a statement as the superuser; several in one text run as one transaction.</summary>
    public async Task SqlAsync(string text, string database = "postgres")
    {
        await using var connection = await OpenAsync(database: database);
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The first column of the first row.</summary>
    public async Task<T> ScalarAsync<T>(string text, string database = "postgres")
    {
        await using var connection = await OpenAsync(database: database);
        await using var command = new NpgsqlCommand(text, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>The first column of all rows, as text.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string text, string database = "postgres")
    {
        await using var connection = await OpenAsync(database: database);
        await using var command = new NpgsqlCommand(text, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<string>();
        while (await reader.ReadAsync())
        {
            values.Add(Convert.ToString(reader.GetValue(0), CultureInfo.InvariantCulture)!);
        }
        return values;
    }

    /// <summary>Runs one of this version's programs as the postgres user, connected to this server as the superuser.</summary>
    public Task<CommandResult> RunAsync(string tool, params IEnumerable<string> arguments) =>
        Installation.RunAsync(tool, arguments, new Dictionary<string, string?>
        {
            ["PGHOST"] = "127.0.0.1",
            ["PGPORT"] = $"{Port}",
            ["PGUSER"] = Superuser,
            ["PGPASSWORD"] = SuperuserPassword,
            ["PGDATABASE"] = "postgres",
            ["LC_ALL"] = "C",
        });

    /// <summary>
    /// Creates the roles that Barkeep connects as. The backup role is no superuser and gets what a backup needs,
    /// in the given database, unless the test is about what it lacks.
    /// </summary>
    public async Task<BarkeepRoles> CreateBarkeepRolesAsync(bool grants = true, string database = "postgres")
    {
        var roles = new BarkeepRoles(NewPassword(), NewPassword());
        await SqlAsync($"CREATE ROLE {BarkeepRoles.Backup} LOGIN PASSWORD '{roles.BackupPassword}'");
        await SqlAsync($"CREATE ROLE {BarkeepRoles.Stream} LOGIN REPLICATION PASSWORD '{roles.StreamPassword}'");
        _passwords[BarkeepRoles.Backup] = roles.BackupPassword;
        _passwords[BarkeepRoles.Stream] = roles.StreamPassword;
        if (grants)
        {
            await SqlAsync(string.Join(';', BarkeepRoles.Grants(Version)), database);
        }
        return roles;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            if (!_server.HasExited)
            {
                await KillAsync();
            }
            _server.Dispose();
        }
        await RemoveSharedMemoryAsync();
        RigRoot.Remove(_directory);
    }

    // A server that was killed leaves its segment, and the system has some thousand of them in all. The last line but one of postmaster.pid has
    // key and id (miscinit.c, LOCK_FILE_LINE_SHMEM_KEY).
    async Task RemoveSharedMemoryAsync()
    {
        const int Line = 6;
        var file = Path.Combine(DataDirectory, "postmaster.pid");
        if (File.Exists(file) && (await File.ReadAllLinesAsync(file)).ElementAtOrDefault(Line)?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var id])
        {
            _ = await Command.RunAsync("ipcrm", "--shmem-id", id);
        }
    }

    async Task<bool> IsRecoveredAsync()
    {
        if (!IsRunning)
        {
            throw new InvalidOperationException($"the server ended in recovery\n{string.Join('\n', File.ReadLines(LogFile).TakeLast(20))}");
        }
        try
        {
            return await ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()");
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow)
        {
            return false;
        }
    }

    async Task StopAsync(Signal signal)
    {
        signal.Send(Pid);
        await Running.ExitAsync(StartDeadline);
    }

    static async Task<TestCluster> PrepareAsync(int version, Dictionary<string, string> passwords, string? dataDirectory = null)
    {
        var directory = RigRoot.NewDirectory($"pg{version}");
        var cluster = new TestCluster(PostgresInstallation.Of(version), directory, dataDirectory ?? Path.Combine(directory, "data"), passwords);
        await PostgresUser.OwnAsync(directory);
        return cluster;
    }

    static IEnumerable<string> FastSettings(TestClusterOptions options) =>
    [
        $"fsync = {(options.Fsync ? "on" : "off")}",
        "wal_level = replica",
        "max_connections = 40",
        "max_wal_senders = 10",
        "max_replication_slots = 10",
        "shared_buffers = 16MB",
        "jit = off",
        "log_checkpoints = on",
        "log_replication_commands = on",
        "log_line_prefix = '%m [%p] %u@%d '",
    ];

    static Dictionary<string, string> NewPasswords() => new() { [Superuser] = NewPassword() };

    static string NewPassword() => RandomNumberGenerator.GetHexString(24, lowercase: true);
}
