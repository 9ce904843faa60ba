using Barkeep.Common;
using Barkeep.Repo;
using Xunit;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>What a restore costs must not depend on how many small backups came before.</summary>
public sealed class ManyBackupsTests
{
    [Fact]
    public Task After_dozens_of_incrementals_a_restore_decodes_at_most_half_more_than_after_a_full_backup() => TakeAsync(24);

    [Fact]
    [Trait("Category", "slow")]
    public Task After_hundreds_of_incrementals_a_restore_decodes_at_most_half_more_than_after_a_full_backup() => TakeAsync(250);

    static async Task TakeAsync(int backups)
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int PRIMARY KEY, n int, s text) WITH (fillfactor = 90)");
        await bench.Cluster.SqlAsync("INSERT INTO t SELECT i, 0, (SELECT string_agg(md5(i || ':' || k), '') FROM generate_series(1, 15) k) FROM generate_series(1, 100000) i");
        var newest = await bench.BackUpAsync();
        for (var i = 1; i <= backups; i++)
        {
            // About every twentieth page, other ones each time.
            await bench.Cluster.SqlAsync($"UPDATE t SET n = n + 1 WHERE i % 311 = {i * 7 % 311}");
            newest = await bench.IncrementalAsync(newest);
        }

        // A full backup shares pages with those before it: one into another repository shares nothing.
        using var other = BackupBench.Of(bench.Cluster);
        var full = await other.BackUpAsync();
        var (after, fresh) = (await CostAsync(bench.Reception.Lineage, newest.Id), await CostAsync(await other.LineageAsync(), full.Id));
        Assert.InRange(after.Needed, fresh.Needed * 0.99, fresh.Needed * 1.01);
        Assert.True(after.Decoded <= fresh.Decoded * 1.5, $"{after.Decoded} pages are decoded, {fresh.Decoded} of a fresh backup");
        Assert.True(after.Stored <= fresh.Stored * 1.5, $"{after.Stored} bytes are read, {fresh.Stored} of a fresh backup");
        Assert.True(after.Packs <= 150, $"{after.Packs} packs are opened");
    }

    // Of each frame that holds a page that is needed, all is read and decoded, once.
    static async Task<(long Needed, long Decoded, long Stored, int Packs)> CostAsync(Lineage lineage, BackupId id)
    {
        var manifest = await lineage.Backups.ReadManifestAsync(id, default);
        var (needed, decoded, stored) = (0L, 0L, 0L);
        foreach (var runs in manifest.Entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros).GroupBy(static r => r.Pack))
        {
            using var reader = await lineage.Packs.OpenAsync(manifest.Packs[runs.Key], default);
            var ordinals = runs.SelectMany(static r => Enumerable.Range(r.Ordinal, r.Count)).ToList();
            var frames = ordinals.Select(o => reader.Index.FrameAt(reader.Index.PositionOf(o))).ToHashSet();
            needed += ordinals.Count;
            decoded += frames.Sum(f => (long)reader.Index.Frames[f].Pages);
            stored += frames.Sum(f => (long)reader.Index.Frames[f].StoredLength);
        }
        return (needed, decoded, stored, manifest.Packs.Count);
    }
}
