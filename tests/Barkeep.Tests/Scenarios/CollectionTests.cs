using Barkeep.Backups;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class CollectionTests
{
    const string Rewrite = "UPDATE big SET pad = 'changed'";

    [Fact]
    public async Task Deleting_the_first_a_middle_and_the_last_of_a_chain_leaves_the_others_restorable()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench);
        var backups = new List<BackupResult> { await bench.BackUpAsync() };
        foreach (var change in (string[])["UPDATE big SET pad = 'y' WHERE i % 50 = 0", Rewrite, "CREATE TABLE more AS SELECT * FROM big LIMIT 5000", "DELETE FROM big WHERE i % 2 = 0"])
        {
            await bench.Cluster.SqlAsync(change);
            backups.Add(await bench.IncrementalAsync(backups[^1]));
        }

        var rewritten = 0;
        foreach (var gone in (BackupResult[])[backups[0], backups[2], backups[4]])
        {
            var result = await new BackupDeletion(await OpenAsync(bench), bench.Reception.Config.Name, bench.Reception.Locations, TimeProvider.System).RunAsync(gone.Id, default);
            Assert.Null(result.Hold);
            Assert.Empty(result.Findings);
            rewritten += result.Rewritten.Count;
        }
        Assert.True(rewritten > 0);
        await bench.AssertRestoresAsync(backups[1].Id);
        await bench.AssertRestoresAsync(backups[3].Id);

        // The next one builds on what is left.
        await bench.Cluster.SqlAsync("UPDATE big SET pad = 'z' WHERE i % 40 = 1");
        var next = await bench.IncrementalAsync(backups[3]);
        await bench.AssertRestoresAsync(next.Id);
    }

    [Fact]
    public async Task B8_a_backup_that_stands_still_while_its_parent_is_deleted_and_collected_ends_whole()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench);
        var parent = await bench.BackUpAsync();
        await bench.Cluster.SqlAsync("UPDATE big SET pad = 'y' WHERE i % 100 = 0");
        var rig = bench.Reception.Rig;
        await using var backup = rig.Start("barman", "backup", "main", "--bwlimit", "400");
        await backup.PrintsAsync("Starting backup copy");
        backup.Send(Signal.Stop);

        var running = (await bench.Reception.Lineage.Backups.ListPartsAsync(default))[^1].Id;
        var deletion = (await rig.RunAsync("barman", "delete", "main", $"{parent.Id}")).Checked();
        Assert.Contains($"The space comes back later, by cron: backup {running} is running", deletion.Output, StringComparison.Ordinal);
        var collection = (await rig.RunAsync("barman", "gc", "main")).Checked();
        Assert.Contains($"Nothing can be removed on server main now: backup {running} is running", collection.Output, StringComparison.Ordinal);
        backup.Send(Signal.Continue);
        (await backup.ExitAsync(TimeSpan.FromMinutes(3))).Checked();

        var manifest = await bench.Reception.Lineage.Backups.ReadManifestAsync(running, default);
        Assert.Equal(parent.Id.ToString(), manifest.Info.Parent);
        Assert.Contains(manifest.Packs, p => p.StartsWith($"{parent.Id}/", StringComparison.Ordinal));
        (await rig.RunAsync("barman", "gc", "main")).Checked();
        Assert.DoesNotContain(await bench.Reception.Lineage.Backups.ListPartsAsync(default), b => b.Id == parent.Id);
        await bench.AssertRestoresAsync(running);
    }

    [Fact]
    public async Task While_a_restore_runs_nothing_is_removed()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await FillAsync(bench);
        var first = await bench.BackUpAsync();
        await bench.Cluster.SqlAsync(Rewrite);
        var second = await bench.IncrementalAsync(first);
        await bench.Reception.CaughtUpAsync();
        var (rig, packs) = (bench.Reception.Rig, await bench.Reception.Lineage.Packs.ListAsync(default));

        // It stands still in the middle of its files.
        var target = rig.RestoreDirectory;
        await using var restore = rig.Start("barman", "recover", "main", $"{first.Id}", target);
        await Eventually.IsTrueAsync(() => restore.HasExited || Directory.Exists(Path.Combine(target, "base")), "the restore writes");
        restore.Send(Signal.Stop);
        Assert.False(restore.HasExited);
        var deletion = (await rig.RunAsync("barman", "delete", "main", $"{first.Id}")).Checked();
        Assert.Contains("by cron: a restore is running", deletion.Output, StringComparison.Ordinal);
        Assert.Equal(packs, await bench.Reception.Lineage.Packs.ListAsync(default));
        restore.Send(Signal.Continue);
        (await restore.ExitAsync()).Checked();

        Assert.Contains("freed", (await rig.RunAsync("barman", "gc", "main")).Checked().Output, StringComparison.Ordinal);
        Assert.NotEqual(packs, await bench.Reception.Lineage.Packs.ListAsync(default));
        await bench.AssertRestoresAsync(second.Id);
    }

    static async Task FillAsync(IncrementalBench bench) =>
        await bench.Cluster.SqlAsync("CREATE TABLE big AS SELECT i, md5(i::text) AS hash, repeat('x', 100) AS pad FROM generate_series(1, 250000) i");

    static Task<Repository> OpenAsync(IncrementalBench bench) => Repository.OpenAsync(bench.Reception.Locations.RepositoryDirectory(bench.Reception.Config.Name), default);
}
