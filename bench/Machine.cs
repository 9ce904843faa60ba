using System.Globalization;

namespace Barkeep.Bench;

/// <summary>This machine: where commands run, and what it is.</summary>
sealed class Machine
{
    public const string Home = "/mnt/home";

    /// <param name="peers">The peers' chroot.</param>
    public Machine(string peers)
    {
        Host = new(null, new Dictionary<string, string>
        {
            ["PATH"] = "/mnt/bin:/usr/bin:/bin",
            ["BARKEEP_HOME"] = Home,
            ["BARKEEP_CONFIG_DIR"] = "/mnt/config",
            ["BARKEEP_RESTORE"] = "/mnt/restore",
        });
        Peers = new(peers, new Dictionary<string, string>
        {
            ["PATH"] = "/usr/lib/postgresql/18/bin:/usr/bin:/bin",
            ["HOME"] = "/mnt",
            ["LC_ALL"] = "C.UTF-8",
            ["PGBACKREST_CONFIG"] = "/mnt/pgbackrest/pgbackrest.conf",
            ["PGBACKREST_STANZA"] = "main",
        });
    }

    /// <summary>Where Barkeep runs.</summary>
    public Shell Host { get; }

    /// <summary>Where the peers and PostgreSQL run.</summary>
    public Shell Peers { get; }

    /// <summary>What a reader must know to compare figures.</summary>
    public IReadOnlyList<(string Name, string Value)> Facts =>
    [
        ("processor", $"{Field("/proc/cpuinfo", "model name")}, {Environment.ProcessorCount} cores"),
        ("memory", string.Create(CultureInfo.InvariantCulture, $"{Text.Number(Field("/proc/meminfo", "MemTotal").Split(' ')[0]) / (1 << 20):0.0} GiB")),
        ("disk", $"{Host.Run("findmnt --noheadings --output FSTYPE --target /mnt | tail -1")}; writes and flushes {DiskRate()} MB/s sequentially"),
        ("kernel", $"Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim().Split('-')[0]}"),
    ];

    /// <summary>The versions of all tools.</summary>
    public IReadOnlyList<(string Name, string Value)> Versions =>
    [
        ("Barkeep", Host.Run("barman --version | head -1")),
        ("PostgreSQL", Peers.Run("postgres --version")),
        ("pgBackRest", Peers.Run("pgbackrest version")),
        ("Barman", Peers.Run("barman --version | head -1")),
        ("rsync", Peers.Run("rsync --version | head -1")),
        ("cp", Peers.Run("cp --version | head -1")),
    ];

    string DiskRate()
    {
        var seconds = Host.Measure("dd if=/dev/zero of=/mnt/rate bs=1M count=1024 conv=fdatasync 2>/dev/null", null).Wall;
        File.Delete("/mnt/rate");
        return Text.Of(1074 / seconds, "0");
    }

    static string Field(string file, string name) =>
        File.ReadLines(file).First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(':', 2)[1].Trim();
}
