using System.Text.RegularExpressions;
using Barkeep.Postgres;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Postgres;

public sealed partial class DataPageTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_page_of_every_fork_is_judged_as_pg_checksums_judges_it(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(version);
        await cluster.SqlAsync("CREATE TABLE t AS SELECT i, repeat('x', i % 1000) s FROM generate_series(1, 20000) i; CREATE INDEX ON t (i); CREATE UNLOGGED TABLE u (i int)");
        await cluster.SqlAsync("VACUUM t");
        var begin = Lsn.Parse(await cluster.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));
        await cluster.SqlAsync("INSERT INTO t VALUES (1)");
        var path = Path.Combine(cluster.DataDirectory, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('t')"));
        await cluster.StopAsync();

        var (pages, broken, newest) = Judge(cluster.DataDirectory);
        var said = await cluster.RunAsync("pg_checksums", "--check", cluster.DataDirectory);
        Assert.Empty(broken);
        Assert.Contains($"Blocks scanned:  {pages}\n", Regex.Replace(said.Output, @"Blocks scanned: +", "Blocks scanned:  "), StringComparison.Ordinal);
        var end = ControlFile.Parse(File.ReadAllBytes(Path.Combine(cluster.DataDirectory, "global", "pg_control"))).Checkpoint;
        Assert.True(newest > begin && newest <= end, $"{begin} < {newest} <= {end}");

        // One bit in the third block, and two blocks that have changed places.
        using (var file = File.Open(path, FileMode.Open))
        {
            Flip(file, (2 * DataPage.Size) + 5000);
            Swap(file, 4, 7);
        }
        var name = Path.GetFileName(path);
        said = await cluster.RunAsync("pg_checksums", "--check", cluster.DataDirectory);
        Assert.Contains("Bad checksums:  3", said.Output, StringComparison.Ordinal);
        Assert.Equal([(name, 2u), (name, 4u), (name, 7u)], Judge(cluster.DataDirectory).Broken);
    }

    [Fact]
    public void A_new_page_is_intact_only_if_all_of_it_is_zero()
    {
        var page = new byte[DataPage.Size];
        Assert.True(new DataPage(page).IsNew);
        Assert.True(new DataPage(page).IsIntact(3));

        page[8000] = 1;
        Assert.True(new DataPage(page).IsNew);
        Assert.False(new DataPage(page).IsIntact(3));
    }

    static (long Pages, List<(string File, uint Block)> Broken, Lsn Newest) Judge(string directory)
    {
        var pages = 0L;
        var broken = new List<(string, uint)>();
        var newest = Lsn.Invalid;
        var files = Directory.EnumerateFiles(Path.Combine(directory, "base"), "*", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Path.Combine(directory, "global")))
            .Where(file => RelationFile().IsMatch(Path.GetFileName(file)));
        foreach (var file in files)
        {
            var bytes = File.ReadAllBytes(file);
            for (var at = 0; at < bytes.Length; at += DataPage.Size, pages++)
            {
                var page = new DataPage(bytes.AsSpan(at, DataPage.Size));
                newest = Lsn.Max(newest, page.Lsn);
                var block = (uint)(at / DataPage.Size);
                if (!page.IsIntact(block))
                {
                    broken.Add((Path.GetFileName(file), block));
                }
            }
        }
        return (pages, broken, newest);
    }

    static void Flip(FileStream file, long at)
    {
        file.Position = at;
        var value = file.ReadByte();
        file.Position = at;
        file.WriteByte((byte)(value ^ 0x10));
    }

    static void Swap(FileStream file, int one, int other)
    {
        var (first, second) = (new byte[DataPage.Size], new byte[DataPage.Size]);
        RandomAccess.Read(file.SafeFileHandle, first, one * (long)DataPage.Size);
        RandomAccess.Read(file.SafeFileHandle, second, other * (long)DataPage.Size);
        RandomAccess.Write(file.SafeFileHandle, second, one * (long)DataPage.Size);
        RandomAccess.Write(file.SafeFileHandle, first, other * (long)DataPage.Size);
    }

    [GeneratedRegex(@"^\d+(_(fsm|vm|init))?(\.\d+)?$")]
    private static partial Regex RelationFile();
}
