namespace Barkeep.Bench;

/// <summary>Data directories that take long to make, kept in the cache and copied for each run.</summary>
sealed class DataSet(Machine machine)
{
    const string Cache = "/mnt/cache";
    const int Parts = 4;
    const int Files = 100_000;

    // Nothing of it must survive a crash: it is thrown away then.
    static readonly string[] Careless =
        ["fsync = off", "wal_level = minimal", "max_wal_senders = 0", "archive_mode = off", "max_wal_size = '2GB'", "synchronous_commit = off"];

    /// <summary>A research database of about so many GB (bench/data/part.sql): four studies, made two at a time.</summary>
    /// <returns>A data directory of the caller's own.</returns>
    public string Research(int size)
    {
        var scripts = $"{AppContext.BaseDirectory}/data";
        return Copy($"research-{size}", cluster =>
        {
            cluster.Sql("CREATE DATABASE research");
            machine.Host.Run($"cp {scripts}/part.sql /mnt/part.sql");
            // A part at scale 1 makes 0.5 GB.
            var scale = Text.Of(size * 2.0 / Parts, "0.###");
            var fill = $"psql -Xq {cluster.Connection("research")} -v part=# -v scale={scale} -f /mnt/part.sql";
            machine.Peers.Run($"seq {Parts} | xargs -P 2 -I '#' {fill}");
            cluster.Sql("VACUUM (FREEZE, ANALYZE)", "research");
        });
    }

    /// <summary>A cluster of small relations in 100,000 files.</summary>
    public string ManyFiles() => Copy("files", cluster =>
    {
        const int Tables = 1000;
        cluster.Sql("CREATE DATABASE first");
        cluster.Sql($"SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, name text); INSERT INTO t%s VALUES (%s, ''x'')', i, i, i) FROM generate_series(1, {Tables}) i\n\\gexec", "first");
        cluster.Sql("VACUUM", "first");
        // Table, map, toast table and two indexes, and the catalogs.
        var perDatabase = System.IO.Directory.EnumerateDirectories($"{cluster.Directory}/base").Max(d => System.IO.Directory.EnumerateFiles(d).Count());
        for (var i = 1; i < Files / perDatabase + 1; i++)
        {
            cluster.Sql($"CREATE DATABASE copy{i} TEMPLATE first STRATEGY file_copy");
        }
    });

    string Copy(string name, Action<Cluster> fill)
    {
        var kept = $"{Cache}/{name}";
        if (!Directory.Exists(kept))
        {
            Progress.Say($"making the data set {name}");
            Make($"{kept}.making", fill);
            Directory.Move($"{kept}.making", kept);
        }
        Progress.Say($"copying the data set {name}");
        var directory = $"/mnt/{name}";
        machine.Peers.Run($"cp -a {kept} {directory} && sync -f /mnt");
        return directory;
    }

    void Make(string directory, Action<Cluster> fill)
    {
        Disk.Remove(directory);
        machine.Peers.Run($"initdb -D {directory} -A trust -U postgres --data-checksums -E UTF8 --locale=C.UTF-8");
        var stock = File.ReadAllText($"{directory}/postgresql.conf");
        using (var cluster = new Cluster(machine, directory))
        {
            cluster.Start(Careless);
            fill(cluster);
            cluster.Sql("CHECKPOINT");
        }
        // Without the WAL of all that, and with settings as initdb left them.
        machine.Peers.Run($"pg_resetwal -D {directory}");
        File.WriteAllText($"{directory}/postgresql.conf", stock);
    }
}
