using System.Text.Json.Nodes;

namespace Barkeep.Tests.Rig;

/// <summary>
/// The barkeep executable with directories of its own, as a user has it: home, restore directory, configuration.
/// Whatever it started that is still running is ended when this is disposed.
/// </summary>
public sealed class BarkeepRig : IAsyncDisposable
{
    static readonly string[] Links = ["barkeep", "barman", "setup-barman", "restore-last"];

    readonly string _directory = RigRoot.NewDirectory("barkeep");
    readonly List<BarkeepProcess> _started = [];
    int _runs;

    public BarkeepRig()
    {
        Home = Path.Combine(_directory, "home");
        RestoreDirectory = Path.Combine(_directory, "restore");
        ConfigDirectory = Path.Combine(_directory, "barman.d.in");
        LinkDirectory = Path.Combine(_directory, "bin");
        foreach (var directory in new[] { Home, RestoreDirectory, ConfigDirectory, LinkDirectory, Path.Combine(_directory, "runs") })
        {
            Directory.CreateDirectory(directory);
        }
        foreach (var link in Links)
        {
            File.CreateSymbolicLink(Path.Combine(LinkDirectory, link), Executable);
        }
        Environment["BARKEEP_HOME"] = Home;
        Environment["BARKEEP_RESTORE"] = RestoreDirectory;
        Environment["BARKEEP_CONFIG_DIR"] = ConfigDirectory;
    }

    /// <summary>What is tested: BARKEEP_BIN, or what the build of the same configuration left.</summary>
    public static string Executable { get; } = System.Environment.GetEnvironmentVariable("BARKEEP_BIN")
        ?? Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Barkeep", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), "barkeep"));

    public string Home { get; }

    public string RestoreDirectory { get; }

    public string ConfigDirectory { get; }

    /// <summary>Where the links named barman, setup-barman and restore-last are.</summary>
    public string LinkDirectory { get; }

    /// <summary>Variables for the commands, besides this process's own without any BARKEEP_ and BARMAN_ ones.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>The uid and gid that commands run as; null is this process's own (root).</summary>
    public (int Uid, int Gid)? User { get; set; }

    /// <summary>A program, and its arguments, that runs the commands, as <c>nice</c> does; none when it is empty.</summary>
    public IReadOnlyList<string> Launcher { get; set; } = [];

    /// <summary>Runs everything as the postgres user, and gives it the directories.</summary>
    public async Task RunAsPostgresAsync()
    {
        User = (PostgresUser.Uid, PostgresUser.Gid);
        await PostgresUser.OwnAsync(_directory);
    }

    /// <summary>Writes a server's configuration file, and returns the path.</summary>
    /// <param name="cluster">Where it is; through another port when a relay stands between.</param>
    /// <param name="more">Further keys, or other values for those written here; a null value leaves a key out.</param>
    public string WriteServer(string name, TestCluster cluster, BarkeepRoles roles, IReadOnlyDictionary<string, JsonNode?>? more = null, int? port = null)
    {
        var keys = new JsonObject
        {
            ["host"] = "127.0.0.1",
            ["port"] = port ?? cluster.Port,
            ["dbname"] = "postgres",
            ["user_backup"] = BarkeepRoles.Backup,
            ["user_stream"] = BarkeepRoles.Stream,
            ["pass_backup"] = roles.BackupPassword,
            ["pass_stream"] = roles.StreamPassword,
        };
        foreach (var (key, value) in more ?? new Dictionary<string, JsonNode?>())
        {
            keys.Remove(key);
            if (value is not null)
            {
                keys[key] = value.DeepClone();
            }
        }
        var path = Path.Combine(ConfigDirectory, $"{name}.json");
        File.WriteAllText(path, keys.ToJsonString());
        return path;
    }

    /// <summary>Runs a command to its end.</summary>
    /// <param name="line">The link's name and its arguments: <c>"barman", "backup", "montagu"</c>.</param>
    public Task<CommandResult> RunAsync(params IEnumerable<string> line) => RunAsync(null, line);

    /// <summary>Runs a command to its end with faults injected into its system calls.</summary>
    public async Task<CommandResult> RunAsync(Strace? strace, params IEnumerable<string> line)
    {
        await using var process = Start(strace, line);
        return await process.ExitAsync(TimeSpan.FromMinutes(5));
    }

    /// <summary>Starts a command and returns at once.</summary>
    public BarkeepProcess Start(params IEnumerable<string> line) => Start(null, line);

    /// <inheritdoc cref="Start(IEnumerable{string})"/>
    public BarkeepProcess Start(Strace? strace, params IEnumerable<string> line)
    {
        var command = line.ToList();
        command[0] = Path.Combine(LinkDirectory, command[0]);
        var files = Path.Combine(_directory, "runs", $"{Interlocked.Increment(ref _runs)}");
        string[] asUser = User is var (uid, gid) ? ["setpriv", $"--reuid={uid}", $"--regid={gid}", "--clear-groups"] : [];
        var process = BarkeepProcess.Start([.. strace?.Launch($"{files}.strace") ?? [], .. Launcher, .. asUser, .. command], files, Environment);
        lock (_started)
        {
            _started.Add(process);
        }
        return process;
    }

    /// <summary>The running processes of this rig, detached ones too, that have the argument: <c>"receive-wal"</c>.</summary>
    public IReadOnlyList<int> Processes(string? argument = null) =>
    [
        .. ProcessTable.Pids().Where(pid => ProcessTable.Environment(pid).Contains($"BARKEEP_HOME={Home}")
            && ProcessTable.IsRunning(pid)
            && (argument is null || ProcessTable.CommandLine(pid).Contains(argument))),
    ];

    public async ValueTask DisposeAsync()
    {
        // Again and again: what is being killed may just have started another.
        await Eventually.IsTrueAsync(KillAll, "barkeep's processes end");
        foreach (var process in _started)
        {
            await process.DisposeAsync();
        }
        RigRoot.Remove(_directory);
    }

    bool KillAll()
    {
        var running = Processes();
        foreach (var pid in running)
        {
            Signal.Kill.Send(pid);
        }
        return running.Count == 0;
    }
}
