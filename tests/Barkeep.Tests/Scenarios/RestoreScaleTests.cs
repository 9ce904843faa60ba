using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Restores of very many files and runs: what grows with them, and what must not.</summary>
public sealed class RestoreScaleTests
{
    const int Files = 100_000;
    const int Scattered = 40;
    const int RunsEach = 10_000;
    const long MostMemory = 256L << 20;

    [Fact]
    [Trait("Category", "slow")]
    public async Task A_hundred_thousand_files_and_a_million_runs_need_little_memory()
    {
        await using var rig = new BarkeepRig();
        await File.WriteAllTextAsync(Path.Combine(rig.ConfigDirectory, "montagu.json"), "{}");
        await BuildAsync(rig);

        // Everything; then by the record; then by reading everything.
        var whole = await PeakAsync(rig);
        var byRecord = await PeakAsync(rig, "--delta");
        File.Delete(Path.Combine(rig.RestoreDirectory, "barkeep.restored"));
        var byReading = await PeakAsync(rig, "--delta");
        TestContext.Current.SendDiagnosticMessage($"peaks: {whole >> 20}, {byRecord >> 20}, {byReading >> 20} MiB");
        Assert.All([whole, byRecord, byReading], static peak => Assert.InRange(peak, 1, MostMemory));
        Assert.Equal(Files + Scattered, Directory.EnumerateFiles(Path.Combine(rig.RestoreDirectory, "base"), "*", SearchOption.AllDirectories).Count());
    }

    static async Task<long> PeakAsync(BarkeepRig rig, params string[] more)
    {
        var file = Path.Combine(rig.Home, "peak");
        var variables = rig.Environment.ToDictionary(static v => v.Key, static v => (string?)v.Value);
        (await Command.RunAsync(["/usr/bin/time", "-o", file, "-f", "%M", BarkeepRig.Executable, "restore-last", .. more], variables, TimeSpan.FromMinutes(10))).Checked();
        return long.Parse((await File.ReadAllTextAsync(file)).Trim(), System.Globalization.CultureInfo.InvariantCulture) << 10;
    }

    // A pack's pages are referred to again and again: a large cluster out of a small pack.
    static async Task BuildAsync(BarkeepRig rig)
    {
        const int PackPages = 128 * 100;
        var server = ServerName.Parse("montagu");
        var locations = new Locations(rig.Home, rig.RestoreDirectory, rig.ConfigDirectory);
        var (lineage, begin, end) = await PageLayoutTests.LineageAsync(locations, server);
        var id = BackupId.Next(SmallRepository.Clock, SmallRepository.First);
        using var codec = new FrameCodec();
        await PageLayoutTests.PutPackAsync(lineage, id, [.. Enumerable.Repeat(128, PackPages / 128)], codec, 1, wrongHash: false);
        var entries = PageLayoutTests.CommonEntries(begin);
        for (var i = 0; i < Files; i++)
        {
            List<PageRun> runs = [new(1, 0, i % PackPages), PageRun.Zeros(1), new(1, 0, (i * 7) % PackPages), PageRun.Zeros(2), new(1, 0, (i * 13) % PackPages), PageRun.Zeros(3)];
            entries.Add(new() { Kind = ManifestEntryKind.File, Path = $"base/1/{100_000 + i}", Length = 9 * Page.Size, Runs = runs });
        }
        for (var i = 0; i < Scattered; i++)
        {
            var runs = Enumerable.Range(0, RunsEach).Select(run => run % 2 == 0 ? new PageRun(1, 0, (run * 31 + i) % PackPages) : PageRun.Zeros(1)).ToList();
            entries.Add(new() { Kind = ManifestEntryKind.File, Path = $"base/1/{1000 + i}", Length = (long)RunsEach * Page.Size, Runs = runs });
        }
        entries.Sort((a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        var info = SmallRepository.Info(id) with { SystemId = $"{lineage.Identity.SystemId}", BeginLsnText = begin.ToString(), EndLsnText = end.ToString(), Tablespaces = [] };
        await lineage.Backups.CommitAsync(id, new() { Info = info, Packs = [$"{id}/0001"], Entries = entries }, default);
    }
}
