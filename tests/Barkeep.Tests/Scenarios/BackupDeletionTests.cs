using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupDeletionTests
{
    [Fact]
    public async Task Deleting_a_backup_removes_what_no_other_needs_and_no_more()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        var first = await BackUpAsync(bench, cluster);
        var second = await BackUpAsync(bench, cluster);
        var third = await BackUpAsync(bench, cluster);
        var lineage = await bench.LineageAsync();
        var size = lineage.Identity.SegmentSize;
        SegmentName Begin(BackupResult result) => SegmentName.Containing(new(result.Info.Timeline), result.Info.BeginLsn, size);
        async Task<List<SegmentName>> SegmentsAsync() => [.. (await lineage.Wal.ListSegmentsAsync(default)).Select(s => s.Name)];
        var segments = await SegmentsAsync();

        // One in the middle: no WAL, since the oldest needs all of it.
        Assert.Empty((await DeleteAsync(bench, second.Id)).Segments);
        Assert.Equal([first.Id, third.Id], (await bench.ListAsync()).Select(b => b.Id));
        Assert.Equal(segments, await SegmentsAsync());
        await AssertOnlyNeededAsync(bench);
        await bench.UnpackAsync(first.Id, await cluster.NewDirectoryAsync("first"));

        // The oldest: the WAL before the next one's begin.
        var plan = await DeleteAsync(bench, first.Id);
        Assert.Equal(segments.Where(s => s < Begin(third)), plan.Segments.Select(s => s.Name));
        Assert.Equal(segments.Where(s => s >= Begin(third)), await SegmentsAsync());
        await bench.UnpackAsync(third.Id, await cluster.NewDirectoryAsync("third"));
        await using (var copy = await RestoredCluster.StartAsync(bench, third.Id, cluster))
        {
            Assert.True(copy.IsRunning);
        }

        // The last: its own WAL stays.
        await DeleteAsync(bench, third.Id);
        Assert.Empty(await bench.ListAsync());
        Assert.Empty(bench.PackFiles());
        Assert.Contains(Begin(third), await SegmentsAsync());
    }

    [Fact]
    public async Task Packs_that_another_backup_shares_stay_until_that_one_goes()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        var first = await bench.BackUpAsync();
        var lineage = await bench.LineageAsync();
        // As an incremental backup refers to its parent's packs.
        Assert.True(BackupId.TryParse("20990101T000000", out var sharing));
        var manifest = await lineage.Backups.ReadManifestAsync(first.Id, default);
        await lineage.Backups.StartAsync(sharing, TimeProvider.System.GetLocalNow(), "test", default);
        await lineage.Backups.CommitAsync(sharing, manifest with { Info = manifest.Info with { BackupId = sharing.ToString() } }, default);
        var packs = bench.PackFiles();

        Assert.Empty((await DeleteAsync(bench, first.Id)).Removed);
        Assert.Equal(packs, bench.PackFiles());
        Assert.Empty((await CollectAsync(bench)).Removed);
        Assert.Equal(packs, bench.PackFiles());
        await bench.UnpackAsync(sharing, await cluster.NewDirectoryAsync("sharing"));

        await DeleteAsync(bench, sharing);
        Assert.Empty(bench.PackFiles());
    }

    [Fact]
    public async Task While_a_manifest_cannot_be_read_nothing_is_removed_but_that_backup_itself()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        var damaged = await bench.BackUpAsync();
        var sound = await bench.BackUpAsync();
        var file = Directory.EnumerateFiles(bench.RepositoryDirectory, "manifest", SearchOption.AllDirectories).Single(f => f.Contains($"{damaged.Id}", StringComparison.Ordinal));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[^40] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
        var packs = bench.PackFiles();

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => DeleteAsync(bench, sound.Id));
        Assert.Equal(ErrorKind.Damaged, refusal.Kind);
        Assert.Equal(ErrorKind.Damaged, (await CollectAsync(bench)).Hold!.Kind);
        Assert.Equal(packs, bench.PackFiles());
        Assert.Equal([damaged.Id, sound.Id], (await bench.ListAsync()).Select(static b => b.Id));

        await DeleteAsync(bench, damaged.Id);
        await AssertOnlyNeededAsync(bench);
        await bench.UnpackAsync(sound.Id, await cluster.NewDirectoryAsync("sound"));
    }

    [Fact]
    public async Task An_id_that_does_not_exist_is_refused()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        using var bench = BackupBench.Of(cluster);
        await bench.BackUpAsync();
        Assert.True(BackupId.TryParse("20200101T000000", out var id));
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => DeleteAsync(bench, id));
        Assert.Equal(ErrorKind.UnknownBackup, refusal.Kind);
    }

    // Packs may be shared: what a backup that is left refers to stays, whoever wrote it.
    static async Task AssertOnlyNeededAsync(BackupBench bench)
    {
        var lineage = await bench.LineageAsync();
        var needed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var backup in await bench.ListAsync())
        {
            needed.UnionWith((await lineage.Backups.ReadManifestAsync(backup.Id, default)).Packs);
        }
        Assert.Equal(needed.Order(StringComparer.Ordinal), (await lineage.Packs.ListAsync(default)).Select(static p => p.Name).Order(StringComparer.Ordinal));
    }

    static async Task<BackupResult> BackUpAsync(BackupBench bench, TestCluster cluster)
    {
        await cluster.SqlAsync("DROP TABLE IF EXISTS some_rows; CREATE TABLE some_rows AS SELECT i FROM generate_series(1, 100) i");
        var result = await bench.BackUpAsync();
        await bench.ArchiveAsync(cluster, result.Info);
        await cluster.SqlAsync("SELECT pg_switch_wal()");
        return result;
    }

    static async Task<CollectionResult> DeleteAsync(BackupBench bench, BackupId id) =>
        await new BackupDeletion(await Repository.OpenAsync(bench.RepositoryDirectory, default), bench.Server.Name, bench.Locations, TimeProvider.System).RunAsync(id, default);

    static async Task<CollectionResult> CollectAsync(BackupBench bench) =>
        await new Collector(await Repository.OpenAsync(bench.RepositoryDirectory, default), bench.Server.Name, bench.Locations).RunAsync(Collector.DefaultBudget, default);
}
