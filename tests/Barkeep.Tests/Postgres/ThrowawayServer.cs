using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Barkeep.Tests.Postgres;

/// <summary>A PostgreSQL server of Debian's version on loopback, with 1 MB segments, gone with its directory when disposed.</summary>
sealed class ThrowawayServer : IAsyncDisposable
{
    const string Binaries = "/usr/lib/postgresql/15/bin";

    ThrowawayServer(string directory, int port)
    {
        Directory = directory;
        Port = port;
    }

    public string Directory { get; }

    public string Data => Path.Combine(Directory, "data");

    public int Port { get; }

    public static async Task<ThrowawayServer> StartAsync(string pgHba, string settings = "")
    {
        var directory = System.IO.Directory.CreateTempSubdirectory("barkeep-pg-").FullName;
        var server = new ThrowawayServer(directory, FreePort());
        await Run("chown", "postgres:", directory);
        await AsPostgres("initdb", "-D", server.Data, "-U", "postgres", "-A", "trust", "--wal-segsize=1", "-N", "--no-instructions");
        await File.AppendAllTextAsync(
            Path.Combine(server.Data, "postgresql.conf"),
            $"\nport={server.Port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{directory}'\nfsync=off\nwal_level=replica\n{settings}\n");
        // The superuser comes in through the unix socket, whatever the test says of the rest.
        await File.WriteAllTextAsync(Path.Combine(server.Data, "pg_hba.conf"), $"local all postgres trust\nlocal replication postgres trust\n{pgHba}\n");
        await AsPostgres("pg_ctl", "-D", server.Data, "-w", "-l", Path.Combine(directory, "log"), "start");
        return server;
    }

    public Task<string> SqlAsync(string sql) =>
        AsPostgres("psql", "-h", Directory, "-p", $"{Port}", "-U", "postgres", "-XAtqc", sql);

    public static Task<string> AsPostgres(string program, params string[] arguments) =>
        Run("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", Path.Combine(Binaries, program), .. arguments]);

    public async ValueTask DisposeAsync()
    {
        await AsPostgres("pg_ctl", "-D", Data, "-m", "immediate", "stop");
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    public static async Task<string> Run(string program, params string[] arguments)
    {
        // pg_ctl leaves the server with our pipes: output goes to a file, so that nobody waits for it.
        var output = Path.GetTempFileName();
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = "/" };
        foreach (var argument in (string[])["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1", "sh", output, program, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        var text = await File.ReadAllTextAsync(output);
        File.Delete(output);
        return process.ExitCode == 0 ? text.TrimEnd() : throw new InvalidOperationException($"{program}: {text}");
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
