using System.Diagnostics;

namespace Barkeep.Bench;

/// <summary>Barman with backup_method = postgres and streaming, the way it is used without an agent.</summary>
sealed class BarmanTool(Machine machine, Cluster cluster) : IDisposable
{
    public const string Name = "Barman";

    const string Home = "/mnt/barman";
    const string Command = $"barman -c {Home}/barman.conf -q";

    Process? _receiver;

    public void Reset()
    {
        Remove();
        machine.Peers.Run($"mkdir -p {Home}");
        File.WriteAllText($"{Home}/barman.conf", $"""
            [barman]
            barman_home = {Home}
            barman_user = postgres
            log_file = {Home}/barman.log

            [main]
            description = benchmark
            conninfo = host=127.0.0.1 port={cluster.Port} user=postgres dbname=postgres
            streaming_conninfo = host=127.0.0.1 port={cluster.Port} user=postgres
            backup_method = postgres
            streaming_archiver = on
            slot_name = barman
            create_slot = auto
            immediate_checkpoint = true
            path_prefix = /usr/lib/postgresql/18/bin
            """);
        _receiver = machine.Peers.Start($"{Command} receive-wal --create-slot main; exec {Command} receive-wal main");
    }

    public void Remove()
    {
        Pause();
        Disk.Remove(Home);
    }

    /// <summary>Takes a backup.</summary>
    public Sample Backup()
    {
        Wait.Until("Barman's receiver", () => cluster.Sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'barman' AND active") == "1");
        // It wants to have seen a segment before.
        machine.Peers.Run($"{Command} switch-wal --force --archive main");
        var sample = machine.Peers.Measure($"{Command} backup --wait main", cluster.Cpu);
        return sample with { Stored = Disk.Megabytes($"{Home}/main/base") };
    }

    /// <summary>Ends the receiver, so that it takes nothing from others, and the slot, which would keep WAL.</summary>
    public void Pause()
    {
        if (_receiver is { HasExited: false })
        {
            machine.Peers.Run($"{Command} receive-wal --stop main");
            _receiver.WaitForExit();
            cluster.Sql("SELECT pg_drop_replication_slot('barman')");
        }
    }

    /// <summary>Restores the newest backup into an empty or absent directory.</summary>
    public Sample Restore(string directory) => machine.Peers.Measure($"{Command} restore main latest {directory}", null);

    public void Dispose() => _receiver?.Dispose();
}
