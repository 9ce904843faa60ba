using System.Globalization;
using Barkeep.Packs;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupScaleTests
{
    const int Files = 100_000;
    const long Hole = 9L << 29;

    [Fact]
    public async Task B20_a_hundred_thousand_files_and_one_beyond_4_GiB_need_no_more_than_256_MiB()
    {
        // In memory, where so many files come and go quickly.
        await using var place = await MemoryDisk.MountAsync();
        await using var cluster = await TestCluster.StartNewAsync();
        await cluster.SqlAsync($"CREATE TABLESPACE many LOCATION '{place.Directory}'");
        await cluster.SqlAsync("CREATE TABLE there (i int) TABLESPACE many");
        var directory = Path.GetDirectoryName(Path.Combine(cluster.DataDirectory, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('there')")))!;
        for (var i = 0; i < Files; i++)
        {
            File.WriteAllBytes(Path.Combine(directory, $"many{i:D6}"), [(byte)i, (byte)(i >> 8), (byte)(i >> 16)]);
        }
        await using (var hole = File.Create(Path.Combine(directory, "hole")))
        {
            hole.SetLength(Hole);
            hole.Position = Hole - 3;
            hole.Write("end"u8);
        }
        await PostgresUser.OwnAsync(place.Directory);

        await using var rig = new BarkeepRig();
        using var bench = await BackupKillTests.SetUpAsync(rig, cluster);
        long peak = 0;
        await using (var process = rig.Start("barman", "backup", "main"))
        {
            while (!process.HasExited)
            {
                peak = Math.Max(peak, PeakMemory(process.Pid));
                await Task.Delay(20);
            }
            (await process.ExitAsync()).Checked();
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"peak {peak >> 20} MiB");
        Assert.InRange(peak, 1, 256L << 20);

        var manifest = await (await bench.LineageAsync()).Backups.ReadManifestAsync((await bench.ListAsync())[0].Id, default);
        Assert.Equal(Files, manifest.Entries.Count(e => e.Path.Contains("/many", StringComparison.Ordinal) && e.Length == 3));
        var sparse = manifest.Entries.Single(e => e.Path.EndsWith("/hole", StringComparison.Ordinal));
        Assert.Equal(Hole, sparse.Length);
        Assert.Equal([(true, (int)(Hole / Page.Size) - 1), (false, 1)], sparse.Runs.Select(r => (r.IsZeros, r.Count)));
    }

    sealed class MemoryDisk(string directory) : IAsyncDisposable
    {
        public string Directory { get; } = directory;

        public static async Task<MemoryDisk> MountAsync()
        {
            var directory = RigRoot.NewDirectory("memory");
            (await Command.RunAsync("mount", "-t", "tmpfs", "none", directory)).Checked();
            await PostgresUser.OwnAsync(directory);
            return new(directory);
        }

        public async ValueTask DisposeAsync()
        {
            (await Command.RunAsync("umount", "--lazy", Directory)).Checked();
            RigRoot.Remove(Directory);
        }
    }

    static long PeakMemory(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line.AsSpan(6, line.Length - 9), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture) << 10;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
