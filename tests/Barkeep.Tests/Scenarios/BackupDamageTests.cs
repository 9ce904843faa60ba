using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupDamageTests
{
    [Fact]
    public async Task B5_damaged_pages_are_named_by_relation_file_and_block_and_kept_as_they_are()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await cluster.SqlAsync("CREATE TABLE sound AS SELECT i FROM generate_series(1, 20000) i; CREATE TABLE \"Torn\" AS SELECT i FROM generate_series(1, 20000) i");
        await cluster.SqlAsync("CREATE DATABASE other");
        await cluster.SqlAsync("CREATE TABLE far AS SELECT i FROM generate_series(1, 20000) i", "other");
        var near = await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('\"Torn\"')");
        var far = await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('far')", "other");
        using var bench = BackupBench.Of(cluster);
        Assert.Equal(0, (await bench.BackUpAsync()).Info.DamagedPageCount);

        await cluster.StopAsync();
        // A flipped bit; garbage with an LSN from the far future; a header of zeros above rows.
        Damage(cluster, near, 2, page => page[5000] ^= 1);
        Damage(cluster, near, 70, page => page.Fill(0xEE));
        Damage(cluster, far, 3, page => page[..24].Clear());
        await cluster.StartAsync();

        var result = await bench.BackUpAsync();
        Assert.Equal(3, result.Info.DamagedPageCount);
        Assert.Equal(
            new (string, long, string?)[] { (far, 3, null), (near, 2, "postgres.public.Torn"), (near, 70, "postgres.public.Torn") }.Order(),
            result.Info.DamagedPages.Select(d => (d.File, d.Block, d.Relation)).Order());
        Assert.Contains(result.Warnings, w => w.StartsWith("3 pages", StringComparison.Ordinal));

        var unpacked = await cluster.NewDirectoryAsync("damaged");
        await bench.UnpackAsync(result.Id, unpacked);
        foreach (var file in (string[])[near, far])
        {
            Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, file)), await File.ReadAllBytesAsync(Path.Combine(unpacked, file)));
        }
    }

    [Fact]
    public async Task B5_a_page_that_changed_since_the_backup_began_is_no_damage_and_one_from_the_future_is()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        // In a file of no relation's, read after all of them, so that the server leaves it alone.
        const string File = "base/99999/99999";
        var path = Path.Combine(cluster.DataDirectory, File);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await System.IO.File.WriteAllBytesAsync(path, new byte[2 * 8192]);
        await PostgresUser.OwnAsync(Path.GetDirectoryName(path)!);
        using var bench = BackupBench.Of(cluster);
        var (_, running) = await bench.StartSlowlyAsync();
        await cluster.SqlAsync("CREATE TABLE t (i int)");
        var now = Lsn.Parse(await cluster.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text"));
        await System.IO.File.WriteAllBytesAsync(path, [.. Torn(now), .. Torn(now + (1L << 30))]);

        var result = await running;
        Assert.Equal((File, 1L), Assert.Single(result.Info.DamagedPages.Select(d => (d.File, d.Block))));
    }

    // A header with rows' bounds and a checksum that is wrong.
    static byte[] Torn(Lsn lsn)
    {
        var page = new byte[8192];
        BitConverter.TryWriteBytes(page, (uint)(lsn.Value >> 32));
        BitConverter.TryWriteBytes(page.AsSpan(4), (uint)lsn.Value);
        BitConverter.TryWriteBytes(page.AsSpan(14), (ushort)8192);
        page[5000] = 1;
        return page;
    }

    static void Damage(TestCluster cluster, string file, int block, SpanAction damage)
    {
        using var handle = File.OpenHandle(Path.Combine(cluster.DataDirectory, file), access: FileAccess.ReadWrite);
        var page = new byte[8192];
        RandomAccess.Read(handle, page, block * 8192L);
        damage(page);
        RandomAccess.Write(handle, page, block * 8192L);
    }

    delegate void SpanAction(Span<byte> page);
}
