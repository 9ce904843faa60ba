namespace Barkeep.Bench;

/// <summary>pgBackRest, on the database's host with a local repository, which is where it is fastest.</summary>
sealed class PgBackRestTool(Machine machine, Cluster cluster)
{
    public const string Name = "pgBackRest";

    const string Home = "/mnt/pgbackrest";

    /// <summary>Makes an empty repository and archives into it.</summary>
    public void Reset()
    {
        Remove();
        machine.Peers.Run($"mkdir -p {Home}/repo");
        File.WriteAllText($"{Home}/pgbackrest.conf", $"""
            [global]
            repo1-path={Home}/repo
            repo1-bundle=y
            repo1-block=y
            repo1-retention-full=100
            process-max=2
            compress-type=zst
            compress-level=3
            start-fast=y
            lock-path={Home}/lock
            spool-path={Home}/spool
            log-path={Home}
            log-level-file=off
            log-level-console=warn

            [main]
            pg1-path={cluster.Directory}
            pg1-port={cluster.Port}
            pg1-socket-path=/mnt/socket
            pg1-user=postgres
            """);
        machine.Peers.Run("pgbackrest stanza-create");
    }

    public static void Remove() => Disk.Remove(Home);

    /// <summary>Takes a backup; segments are archived into its repository meanwhile.</summary>
    /// <param name="type">full or incr.</param>
    public Sample Backup(string type)
    {
        cluster.Set("archive_command", "pgbackrest archive-push %p");
        var before = Disk.Megabytes($"{Home}/repo/backup");
        var sample = machine.Peers.Measure($"pgbackrest --type={type} backup", cluster.Cpu);
        cluster.Set("archive_command", "/bin/true");
        return sample with { Stored = Disk.Megabytes($"{Home}/repo/backup") - before };
    }

    /// <summary>Restores the newest backup into an empty directory.</summary>
    public Sample Restore(string directory)
    {
        machine.Peers.Run($"mkdir -m 700 {directory}");
        return machine.Peers.Measure($"pgbackrest --pg1-path={directory} restore", null);
    }

    /// <summary>Makes an older copy like the newest backup.</summary>
    public Sample Refresh(string directory) => machine.Peers.Measure($"pgbackrest --delta --pg1-path={directory} restore", null);
}
