using System.CommandLine;
using System.Text;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Hooks;
using Barkeep.Received;
using Barkeep.Repo;
using Microsoft.Extensions.Logging;

namespace Barkeep.Cli;

/// <summary>What a command works with: where things are, what is configured, and where to speak.</summary>
sealed class Session
{
    public Locations Locations { get; } = Locations.From(Environment.GetEnvironmentVariable);

    public ConfigReader Config => field ??= new(Locations, ConfigReader.Environment());

    public required Output Output { get; init; }

    public required LineLog Log { get; init; }

    public TimeProvider Time { get; } = TimeProvider.System;

    public static Session From(ParseResult parse)
    {
        // A value that is missing or wrong is an error of the command line, told in the form for people.
        var good = parse.Errors.Count == 0;
        var format = good && parse.GetValue(GlobalOptions.Format) == "json" ? OutputFormat.Json : OutputFormat.Console;
        return new()
        {
            Output = new(format, good && parse.GetValue(GlobalOptions.Quiet), new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 16 << 10), Console.Error),
            Log = new(Console.Error, good ? LevelOf(parse) : LogLevel.Warning, TimeProvider.System),
        };
    }

    /// <summary>The servers that the arguments name; <c>all</c> is all that are configured, and those that were and are set up.</summary>
    /// <exception cref="BarkeepException">UnknownServer. Configuration: none is configured, which for who asks for all is no success: the volume may not be mounted.</exception>
    public IReadOnlyList<ServerName> Select(IEnumerable<string> names)
    {
        var selected = new List<ServerName>();
        foreach (var name in names)
        {
            selected.AddRange(name == "all" ? ListServers() : [Find(name)]);
        }
        return [.. selected.Distinct()];
    }

    /// <summary>All servers that are configured or set up, at least one.</summary>
    /// <exception cref="BarkeepException">Configuration.</exception>
    public IReadOnlyList<ServerName> ListServers() => Config.ListServers() is { Count: > 0 } servers ? servers : throw NoneConfigured();

    public BarkeepException NoneConfigured() =>
        new(ErrorKind.Configuration, $"no server is configured in {Locations.ConfigDirectory}", "put a file there, such as montagu.json");

    /// <summary>A server's configuration, by the name on the command line.</summary>
    public ServerConfig Read(string server) => Config.Read(Find(server));

    /// <summary>As <see cref="Read"/>, for a command that needs the server to be set up.</summary>
    /// <exception cref="BarkeepException">NotSetUp.</exception>
    public ServerConfig ReadSetUp(ServerName server)
    {
        var config = Config.Read(server);
        return IsSetUp(server) ? config : throw NotSetUp(server);
    }

    /// <summary>The scripts that run before and after something happens to a server's backups or WAL.</summary>
    public HookScripts HooksOf(ServerConfig config) => new(config, Locations, Log, Time);

    /// <summary>As <see cref="HooksOf"/>, for who holds a duty, or is itself waited for, and is run again: scripts that go on failing are given up soon.</summary>
    public HookScripts HooksWhileLockedOf(ServerConfig config) => new(config, Locations, Log, Time) { Patience = TimeSpan.FromSeconds(10) };

    /// <exception cref="BarkeepException">Storage: its directory is another user's.</exception>
    public bool IsSetUp(ServerName server) => SetupFile.Exists(Locations.SetupFile(server));

    public static BarkeepException NotSetUp(ServerName server) =>
        new(ErrorKind.NotSetUp, $"server {server} has not been set up", "run setup-barman");

    /// <summary>A server's repository.</summary>
    public Task<Repository> OpenRepositoryAsync(ServerName server, CancellationToken cancellationToken) =>
        Repository.OpenAsync(Locations.RepositoryDirectory(server), cancellationToken);

    /// <summary>A server to restore, by the name on the command line. Only its repository counts: a broken or lost configuration is no obstacle.</summary>
    /// <exception cref="BarkeepException">UnknownServer when it has neither a repository nor a configuration.</exception>
    public ServerName FindForRestore(string name)
    {
        if (ServerName.TryParse(name, out var server) && Directory.Exists(Locations.RepositoryDirectory(server)))
        {
            return server;
        }
        server = Find(name);
        return File.Exists(Locations.ConfigFile(server)) ? server : throw Config.Unknown(name);
    }

    /// <summary>As <see cref="Select"/>, of servers to restore.</summary>
    /// <exception cref="BarkeepException">As <see cref="Select"/> and <see cref="FindForRestore"/>.</exception>
    public IReadOnlyList<ServerName> SelectForRestore(IEnumerable<string> names) => [.. names.SelectMany(n => n == "all" ? ListServers() : [FindForRestore(n)]).Distinct()];

    /// <summary>The present cluster of a server that has been set up.</summary>
    public async Task<Lineage> OpenLineageAsync(ServerName server, CancellationToken cancellationToken) =>
        (await OpenRepositoryAsync(server, cancellationToken)).Current ?? throw NotSetUp(server);

    /// <summary>Where a cluster's WAL is that is not in the repository yet.</summary>
    public WalSpool SpoolOf(ServerName server, Lineage lineage) => WalSpool.Of(lineage, server, Locations);

    /// <summary>Does it for each server: what fails for one is said and does not keep the others from their turn.</summary>
    /// <returns>0, or the exit code of the first that failed.</returns>
    public async Task<int> ForEachAsync(IEnumerable<ServerName> servers, Func<ServerName, Task<int>> run)
    {
        var code = 0;
        foreach (var server in servers)
        {
            var one = 0;
            try
            {
                one = await run(server);
            }
            catch (BarkeepException e) when (e.Kind != ErrorKind.Interrupted)
            {
                Log.LogDebug(e, "Server {Server}", server);
                Output.Error(e.Line);
                one = (int)e.Kind;
            }
            code = code == 0 ? one : code;
        }
        return code;
    }

    ServerName Find(string name) => ServerName.TryParse(name, out var server) ? server : throw Config.Unknown(name);

    static LogLevel LevelOf(ParseResult parse) => parse.GetValue(GlobalOptions.Debug) ? LogLevel.Debug : parse.GetValue(GlobalOptions.LogLevel)?.ToUpperInvariant() switch
    {
        "DEBUG" or "NOTSET" => LogLevel.Debug,
        "INFO" => LogLevel.Information,
        "ERROR" => LogLevel.Error,
        "CRITICAL" => LogLevel.Critical,
        _ => LogLevel.Warning,
    };
}
