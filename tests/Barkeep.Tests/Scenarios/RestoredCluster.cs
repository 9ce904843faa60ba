using Barkeep.Common;
using Barkeep.Tests.Rig;

namespace Barkeep.Tests.Scenarios;

/// <summary>Starts what a backup holds: its files, and the WAL as the source still has it.</summary>
static class RestoredCluster
{
    /// <summary>Unpacks a backup, copies the source's pg_wal beside it, and starts a server on it, which replays from the backup's begin.</summary>
    public static async Task<TestCluster> StartAsync(BackupBench bench, BackupId id, TestCluster source)
    {
        var directory = await source.NewDirectoryAsync($"restored-{id}");
        await bench.UnpackAsync(id, directory);
        foreach (var segment in Directory.EnumerateFiles(Path.Combine(source.DataDirectory, "pg_wal")))
        {
            File.Copy(segment, Path.Combine(directory, "pg_wal", Path.GetFileName(segment)));
        }
        File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var cluster = await TestCluster.OnDirectoryAsync(directory, source);
        await cluster.StartAsync();
        return cluster;
    }
}
