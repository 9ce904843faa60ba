using System.Diagnostics;
using Barkeep.Tests.Rig;

namespace Barkeep.Tests.Scenarios;

/// <summary>Another program that streams from a cluster: its own pg_receivewal.</summary>
sealed class Streamer : IAsyncDisposable
{
    readonly Process _process;
    readonly string _directory;

    Streamer(Process process, string directory)
    {
        _process = process;
        _directory = directory;
    }

    public static async Task<Streamer> StartAsync(TestCluster cluster, string application, string? slot)
    {
        var directory = await cluster.NewDirectoryAsync($"streamer-{Guid.NewGuid():N}");
        var start = new ProcessStartInfo(Path.Combine("/usr/lib/postgresql", $"{cluster.Version}", "bin/pg_receivewal"),
        [
            "--directory", directory, "--no-loop", "--no-sync", .. slot is null ? (string[])[] : ["--slot", slot],
            "--dbname", $"host=127.0.0.1 port={cluster.Port} user={TestCluster.Superuser} password={cluster.SuperuserPassword} application_name={application}",
        ]);
        return new(Process.Start(start)!, directory);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
