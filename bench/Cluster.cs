using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Barkeep.Bench;

/// <summary>A PostgreSQL server in the peers' chroot, on loopback.</summary>
sealed class Cluster : IDisposable
{
    const string Sockets = "/mnt/socket";

    // Durable as a real one; nothing happens by itself while something is measured.
    const string Settings = $"""
        listen_addresses = '127.0.0.1'
        unix_socket_directories = '{Sockets}'
        shared_buffers = '512MB'
        max_wal_size = '8GB'
        checkpoint_timeout = '1h'
        autovacuum = off
        archive_mode = on
        archive_command = '/bin/true'
        """;

    readonly Machine _machine;
    Process? _process;

    /// <param name="directory">Of the data; its owner is postgres.</param>
    public Cluster(Machine machine, string directory)
    {
        _machine = machine;
        Directory = directory;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public string Directory { get; }

    public int Port { get; }

    public void Start(params string[] settings)
    {
        _machine.Peers.Run($"mkdir -p {Sockets}");
        File.AppendAllLines($"{Directory}/postgresql.conf", [.. Settings.Split('\n'), $"port = {Port}", .. settings]);
        _process = _machine.Peers.Start($"exec postgres -D {Directory}");
        Wait.Until("the server", () => Try("SELECT 1"));
    }

    /// <summary>The rows of a statement, as psql prints them unaligned.</summary>
    public string Sql(string statement, string database = "postgres") =>
        _machine.Peers.Run($"psql -XqAt -v ON_ERROR_STOP=1 {Connection(database)} <<'END'\n{statement}\nEND");

    /// <summary>A setting that counts at once.</summary>
    public void Set(string name, string value)
    {
        Sql($"ALTER SYSTEM SET {name} = '{value}'");
        Sql("SELECT pg_reload_conf()");
        Wait.Until(name, () => Sql($"SELECT setting FROM pg_settings WHERE name = '{name}'") == value);
    }

    /// <summary>Options of PostgreSQL's programs.</summary>
    public string Connection(string database) => $"-h 127.0.0.1 -p {Port} -U postgres {(database.Length > 0 ? $"-d {database}" : "")}";

    /// <summary>Seconds that the server's processes, those that have ended and what they started included, have used so far.</summary>
    public double Cpu()
    {
        const int Hertz = 100;
        var postmaster = _process!.Id;
        var ticks = 0L;
        foreach (var directory in System.IO.Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out var pid) && ReadStat(pid) is { } stat && (pid == postmaster || stat.Parent == postmaster))
            {
                ticks += stat.Ticks;
            }
        }
        return (double)ticks / Hertz;
    }

    /// <summary>A fast shutdown.</summary>
    public void Stop()
    {
        if (_process is { HasExited: false })
        {
            _machine.Peers.Run($"kill -INT {_process.Id}");
            _process.WaitForExit();
        }
    }

    public void Dispose()
    {
        Stop();
        _process?.Dispose();
    }

    bool Try(string statement)
    {
        try
        {
            Sql(statement);
            return true;
        }
        catch (InvalidOperationException) when (_process is { HasExited: false })
        {
            return false;
        }
    }

    // proc(5): after the name in parentheses come state, parent, and, eleventh to fourteenth, utime, stime, cutime, cstime.
    static (int Parent, long Ticks)? ReadStat(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[1], CultureInfo.InvariantCulture), fields[11..15].Sum(static f => long.Parse(f, CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            return null;
        }
    }
}
