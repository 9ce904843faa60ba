using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoredAgainTests(RestorableCluster cluster)
{
    [Fact]
    public async Task A_restored_cluster_is_backed_up_and_restored_like_any_other()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("again");
        var (first, second) = (Path.Combine(scratch.Path, "first"), Path.Combine(scratch.Path, "second"));
        await RestoreJob.RunAsync(source.Into(first), null, default);
        await using var restored = await source.StartAsync(first);
        await restored.SqlAsync("ALTER SYSTEM RESET restore_command");

        // It is a cluster of the same system identifier on another timeline, in a repository of its own.
        using var bench = BackupBench.Of(restored);
        var backup = await bench.BackUpAsync();
        var manifest = await (await bench.LineageAsync()).Backups.ReadManifestAsync(backup.Id, default);
        await bench.ArchiveAsync(restored, manifest.Info);
        var history = await File.ReadAllBytesAsync(Path.Combine(first, "pg_wal/00000002.history"));
        await (await bench.LineageAsync()).Wal.PutHistoryAsync(new(2), history, default);

        // Each file once: a tablespace through its link, not through the directory that it is in.
        Assert.DoesNotContain(manifest.Entries, e => e.Kind == ManifestEntryKind.File && e.Path.StartsWith("tablespaces/", StringComparison.Ordinal));
        var result = await RestoreJob.RunAsync(new() { Locations = bench.Locations, Server = bench.Server.Name, Target = second }, null, default);
        Assert.Equal(2, result.Plan.Tablespaces.Count);
        await using (await source.StartAsync(second))
        {
        }
    }
}
