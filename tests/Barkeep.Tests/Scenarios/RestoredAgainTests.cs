using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoredAgainTests(RestorableCluster cluster)
{
    const int Generations = 3;
    const string UsersOwn = "archive_command = 'cp %p /nowhere'";

    [Fact]
    public async Task A_restored_cluster_is_backed_up_and_restored_like_any_other_again_and_again()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("again");
        var result = await RestoreJob.RunAsync(source.Into(DirectoryOf(1)), null, default);
        for (var generation = 1; generation <= Generations; generation++)
        {
            // Every row is there, and nothing of the restores before piles up.
            await using var restored = await source.StartAsync(DirectoryOf(generation));
            AssertTidy(DirectoryOf(generation));
            Assert.Equal(generation == 1 ? ["hot_standby", "max_logical_replication_workers"] : generation == 2 ? ["hot_standby"] : ["archive_command"], result.Disarmed.Select(static d => d.Name).Order(StringComparer.Ordinal));
            Assert.Equal(generation >= 2 ? "7MB" : "4MB", await restored.ScalarAsync<string>("SHOW work_mem"));
            Assert.Equal(generation >= 3 ? "33MB" : "64MB", await restored.ScalarAsync<string>("SHOW maintenance_work_mem"));
            Assert.Equal("false", await restored.ScalarAsync<string>("SELECT setting FROM pg_file_settings WHERE name = 'archive_command' ORDER BY seqno DESC LIMIT 1"));
            Assert.Equal(generation >= 3, (await File.ReadAllLinesAsync(Path.Combine(DirectoryOf(generation), "postgresql.auto.conf"))).Contains(UsersOwn));
            if (generation == Generations)
            {
                return;
            }

            // What a user adds, by hand or by the server, which then writes the file anew without its comments.
            if (generation == 1)
            {
                await File.AppendAllTextAsync(Path.Combine(DirectoryOf(1), "postgresql.auto.conf"), "work_mem = '7MB'\n");
            }
            else
            {
                await restored.SqlAsync("ALTER SYSTEM SET maintenance_work_mem = '33MB'");
                await restored.SqlAsync($"ALTER SYSTEM SET {UsersOwn}");
            }
            result = await BackUpAndRestoreAsync(restored, DirectoryOf(generation + 1));
            Assert.Equal(2, result.Plan.Tablespaces.Count);
        }

        string DirectoryOf(int generation) => Path.Combine(scratch.Path, $"{generation}");
    }

    /// <summary>It is a cluster of the same system identifier on another timeline, in a repository of its own.</summary>
    internal static async Task<RestoreResult> BackUpAndRestoreAsync(TestCluster cluster, string target)
    {
        using var bench = BackupBench.Of(cluster);
        var backup = await bench.BackUpAsync();
        var lineage = await bench.LineageAsync();
        var manifest = await lineage.Backups.ReadManifestAsync(backup.Id, default);
        await bench.ArchiveAsync(cluster, manifest.Info);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "pg_wal"), "*.history"))
        {
            Assert.True(TimelineId.TryParseHex(Path.GetFileNameWithoutExtension(file), out var timeline));
            await lineage.Wal.PutHistoryAsync(timeline, await File.ReadAllBytesAsync(file), default);
        }

        // Each file once: a tablespace through its link, not through the directory that it is in.
        Assert.DoesNotContain(manifest.Entries, e => e.Kind == ManifestEntryKind.File && e.Path.StartsWith("tablespaces/", StringComparison.Ordinal));
        return await RestoreJob.RunAsync(new() { Locations = bench.Locations, Server = bench.Server.Name, Target = target }, null, default);
    }

    static void AssertTidy(string directory)
    {
        var names = Directory.EnumerateDirectories(directory).Select(static d => Path.GetFileName(d)).ToList();
        Assert.Equal("tablespaces", Assert.Single(names, static n => n.StartsWith("tablespaces", StringComparison.Ordinal)));
        Assert.DoesNotContain(names, static n => n.StartsWith("original-config", StringComparison.Ordinal));
        Assert.Equal(2, Directory.EnumerateDirectories(Path.Combine(directory, "tablespaces"), "PG_15_*", SearchOption.AllDirectories).Count());
        var lines = File.ReadAllLines(Path.Combine(directory, "postgresql.auto.conf"));
        Assert.Single(lines, static l => l.StartsWith("# Written by barkeep", StringComparison.Ordinal));
        Assert.Single(lines, static l => l.StartsWith("# End of what barkeep", StringComparison.Ordinal));
        var set = lines.Where(static l => !l.StartsWith('#') && l != UsersOwn).Select(static l => l.Split('=')[0].Trim()).ToList();
        Assert.Equal(set.Distinct(), set);
    }
}
