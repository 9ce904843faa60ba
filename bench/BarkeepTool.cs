using System.Text.Json;

namespace Barkeep.Bench;

/// <summary>Barkeep, as its users run it: on the host, over TCP, its receiver streaming.</summary>
/// <param name="server">Its name; each has a repository, a receiver and a slot of its own.</param>
sealed class BarkeepTool(Machine machine, Cluster cluster, string server = "main")
{
    public const string Name = "Barkeep";

    /// <summary>Begins with an empty repository, set up and receiving.</summary>
    public void Reset()
    {
        Remove();
        SetUp();
    }

    /// <summary>Begins beside what is stored of other servers.</summary>
    public void SetUp()
    {
        Directory.CreateDirectory("/mnt/config");
        File.WriteAllText($"/mnt/config/{server}.json",
            $$"""{ "host": "127.0.0.1", "port": {{cluster.Port}}, "dbname": "postgres", "user_backup": "postgres", "user_stream": "postgres", "slot_name": "barkeep_{{server}}" }""");
        machine.Host.Run($"setup-barman --no-initial-backup {server}");
    }

    /// <summary>Ends the receiver and removes all that is stored.</summary>
    public void Remove()
    {
        Pause();
        Disk.Remove(Machine.Home);
    }

    /// <summary>Ends the receiver, so that it takes nothing from others.</summary>
    public void Pause()
    {
        if (Directory.Exists(Machine.Home))
        {
            machine.Host.Run($"barman receive-wal --stop {server} || true");
        }
    }

    /// <summary>Starts the receiver and waits until it has all WAL that there is.</summary>
    public void Resume()
    {
        machine.Host.Run("barman -q cron");
        var end = cluster.Sql("SELECT pg_current_wal_flush_lsn()");
        // Others' receivers may be there too: cron starts those of all servers.
        Wait.Until("the receiver", () => cluster.Sql(
            $"SELECT count(*) FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = 'barkeep_{server}' AND flush_lsn >= '{end}'") == "1");
        AwaitStored();
    }

    /// <summary>Waits until the tail is all that is left outside the repository.</summary>
    public void AwaitStored() =>
        Wait.Until("the receiver", () => Directory.EnumerateFiles($"{Machine.Home}/{server}/streaming", "0*", SearchOption.AllDirectories).Count() <= 1);

    /// <summary>Where the newest backup begins.</summary>
    public string BeginLsn() => Shown("begin_lsn").GetString()!;

    /// <summary>Takes a backup.</summary>
    public Sample Backup(bool full = false)
    {
        Resume();
        var before = StoredMegabytes();
        var sample = machine.Host.Measure($"barman -q backup --wait {(full ? "--full " : "")}{server}", cluster.Cpu);
        var after = StoredMegabytes();
        Pause();
        return sample with { Stored = after - before, Read = Shown("read_size_bytes").GetInt64() / 1e6 };
    }

    /// <summary>Restores the newest backup into an empty or absent directory.</summary>
    public Sample Restore(string directory) => machine.Host.Measure($"barman -q restore {server} latest {directory}", null);

    /// <summary>Makes an older copy like the newest backup.</summary>
    public Sample Refresh(string directory) => machine.Host.Measure($"barman -q restore --delta-restore {server} latest {directory}", null);

    JsonElement Shown(string name)
    {
        using var shown = JsonDocument.Parse(machine.Host.Run($"barman -f json show-backup {server} latest"));
        return shown.RootElement.GetProperty(server).GetProperty("base_backup_information").GetProperty(name).Clone();
    }

    /// <summary>What is in the repository, but for the WAL and what is found in it: that is received anyway.</summary>
    public double StoredMegabytes() => Disk.Megabytes($"{Machine.Home}/{server}/repository", except: ["wal", "changes", "moments"]);
}
