using Barkeep.Backups;
using Barkeep.Common;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class ManyIncrementalsTests
{
    [Fact]
    [Trait("Category", "slow")]
    public async Task After_a_hundred_incrementals_a_restore_decodes_little_more_than_after_a_full_backup()
    {
        const int Backups = 100;
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE big AS SELECT i, md5(i::text) AS hash, repeat('x', 100) AS pad FROM generate_series(1, 100000) i");
        var random = new Random(20261123);
        var last = await bench.BackUpAsync();
        var most = 0L;
        for (var i = 0; i < Backups; i++)
        {
            // Anywhere, and more often near the end.
            var from = random.Next(3) == 0 ? 90_000 : 0;
            await bench.Cluster.SqlAsync($"UPDATE big SET hash = md5('{i}' || hash) WHERE i > {from} AND i % 251 = {random.Next(251)}");
            if (random.Next(10) == 0)
            {
                await bench.Cluster.SqlAsync("VACUUM big");
            }
            last = await bench.IncrementalAsync(last);
            most = Math.Max(most, last.Info.StoredBytes);
            if (i % 7 == 3)
            {
                await bench.DeleteAsync(BackupIdOf(last.Info.Parent!));
            }
        }

        var (held, needed, packs) = await CostAsync(bench, last);
        Assert.True(held <= 1.5 * needed, $"{held} pages are decoded for {needed}");
        Assert.True(packs <= 80, $"{packs} packs");
        await bench.AssertEqualsAsync(last);
        await bench.AssertRestoresAsync(last);
        var full = await bench.BackUpAsync(full: true);
        Assert.InRange(most, 1, full.Info.ClusterSize / 4);
    }

    // What a restore decodes: every frame that holds a page that it needs.
    static async Task<(long Held, long Needed, int Packs)> CostAsync(IncrementalBench bench, BackupResult backup)
    {
        var lineage = bench.Reception.Lineage;
        var manifest = await lineage.Backups.ReadManifestAsync(backup.Id, default);
        var frames = new HashSet<(int Pack, int Frame)>();
        var (held, needed) = (0L, 0L);
        for (var i = 0; i < manifest.Packs.Count; i++)
        {
            using var pack = await lineage.Packs.OpenAsync(manifest.Packs[i], default);
            foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(r => r.Pack == i))
            {
                for (var ordinal = run.Ordinal; ordinal < run.Ordinal + run.Count; ordinal++, needed++)
                {
                    var frame = pack.Index.FrameAt(pack.Index.PositionOf(ordinal));
                    held += frames.Add((i, frame)) ? pack.Index.Frames[frame].Pages : 0;
                }
            }
        }
        return (held, needed, manifest.Packs.Count);
    }

    static BackupId BackupIdOf(string text) => BackupId.TryParse(text, out var id) ? id : throw new ArgumentException(text);
}
