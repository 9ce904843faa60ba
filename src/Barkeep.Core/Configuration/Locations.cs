using System.Globalization;

namespace Barkeep.Configuration;

/// <summary>Where things are on this machine (docs/format.md draws the tree).</summary>
/// <param name="Home">BARKEEP_HOME: repositories, spools, locks, logs.</param>
/// <param name="Restore">BARKEEP_RESTORE: where restore-last puts the data directory.</param>
/// <param name="ConfigDirectory">BARKEEP_CONFIG_DIR: one JSON file a server.</param>
public sealed record Locations(string Home, string Restore, string ConfigDirectory)
{
    /// <summary>The repository's, within the server's directory.</summary>
    public const string RepositoryName = "repository";

    /// <param name="variable">Reads an environment variable; null when it is not set.</param>
    public static Locations From(Func<string, string?> variable) => new(
        PathFrom(variable("BARKEEP_HOME"), "/var/lib/barman"),
        PathFrom(variable("BARKEEP_RESTORE"), "/restore"),
        PathFrom(variable("BARKEEP_CONFIG_DIR"), "/etc/barman.d.in"));

    public string InstallationFile => Path.Combine(Home, ".installation");

    public string ServerDirectory(ServerName server) => Path.Combine(Home, server.ToString());

    public string RepositoryDirectory(ServerName server) => Path.Combine(ServerDirectory(server), RepositoryName);

    /// <summary>Present once the server has been set up.</summary>
    public string SetupFile(ServerName server) => Path.Combine(ServerDirectory(server), "server.json");

    public string SpoolDirectory(ServerName server, ulong systemId) =>
        Path.Combine(ServerDirectory(server), "streaming", systemId.ToString(CultureInfo.InvariantCulture));

    public string ReceiverStateFile(ServerName server) => Path.Combine(ServerDirectory(server), "streaming", "state.json");

    public string ReceiverLock(ServerName server) => LockFile(server, "receive-wal");

    public string BackupLock(ServerName server) => LockFile(server, "backup");

    /// <summary>One collection at a time.</summary>
    public string CollectionLock(ServerName server) => LockFile(server, "gc");

    /// <summary>Shared by the restores that are running: collection removes nothing meanwhile.</summary>
    public string RestoreLock(ServerName server) => LockFile(server, "restore");

    /// <summary>Held by whoever keeps a backup and by whoever removes one, so that neither overlooks the other.</summary>
    public string CatalogLock(ServerName server) => LockFile(server, "catalog");

    /// <summary>What the last collection found, so that the next one is not begun in vain.</summary>
    public string CollectionMemory(ServerName server) => Path.Combine(ServerDirectory(server), "collected.json");

    public string CronLock(ServerName server) => LockFile(server, "cron");

    /// <summary>All of a server's lock files, whether they are there yet or not.</summary>
    public IReadOnlyList<string> LockFiles(ServerName server) =>
        [ReceiverLock(server), BackupLock(server), CollectionLock(server), RestoreLock(server), CatalogLock(server), CronLock(server)];

    /// <summary>What backups say that cron started by itself.</summary>
    public string BackupLog(ServerName server) => Path.Combine(Home, "log", $"{server}-backup.log");

    public string ReceiverLog(ServerName server) => Path.Combine(Home, "log", $"{server}-receive-wal.log");

    public string ConfigFile(ServerName server) => Path.Combine(ConfigDirectory, $"{server}.json");

    string LockFile(ServerName server, string duty) => Path.Combine(Home, $".{server}-{duty}.lock");

    static string PathFrom(string? value, string otherwise) => Path.GetFullPath(string.IsNullOrEmpty(value) ? otherwise : value);
}
