using System.IO.Hashing;
using System.Text;
using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Health;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Targets;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Verification;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A pack that was found damaged: backups that need its damaged pages count as unusable wherever one looks, others do not, and all do again once it is sound.</summary>
public sealed class DamagedPackTests
{
    [Fact]
    public async Task A_backup_that_needs_damaged_pages_is_known_wherever_one_looks_and_passed_over_until_its_pack_is_put_back()
    {
        await using var bench = await CommandBench.SetUpAsync(new() { Configuration = ["autovacuum = off"] });
        var first = Assert.Single(await BackupsAsync(bench));
        var sound = Flip(Path.Combine(RootOf(await LineageAsync(bench), bench), "packs", first, "0001"), 3);
        var target = Path.Combine(bench.Rig.RestoreDirectory, "new");
        Assert.Equal(1, (await bench.BarmanAsync("verify-backup", "montagu", "all")).ExitCode);

        var needs = $"needs damaged pages of pack {first}/0001";
        Assert.Contains($"\tusable backup: FAILED (backup {first} {needs}; cron takes one)", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.EndsWith($" - DAMAGED PACKS: {first}/0001", (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines[0], StringComparison.Ordinal);
        Assert.Contains($"{first}/0001; this backup cannot be restored", (await bench.BarmanAsync("show-backup", "montagu", "latest")).Checked().Output, StringComparison.Ordinal);
        foreach (var command in (string[][])[["list-backup", "montagu"], ["show-backup", "montagu", "latest"]])
        {
            Assert.Contains("\"damaged_packs\"", (await bench.BarmanAsync(["-f", "json", .. command])).Checked().Output, StringComparison.Ordinal);
        }
        var targets = (await bench.BarmanAsync("targets", "montagu")).Checked().Output;
        Assert.Contains($"note: backup {first} cannot be restored: it {needs}", targets, StringComparison.Ordinal);
        Assert.Contains("nothing can be restored", targets, StringComparison.Ordinal);
        foreach (var option in (string[][])[["--dry-run"], []])
        {
            await bench.RefusedAsync(ErrorKind.NoUsableBackup, $"backup {first} is passed over: it {needs}", ["barman", "restore", "montagu", "latest", target, .. option]);
            await bench.RefusedAsync(ErrorKind.Damaged, $"backup {first} {needs}", ["barman", "restore", "montagu", first, target, .. option]);
        }
        Assert.False(Directory.Exists(target));

        // Another one stores them again, and is the one that is meant and named.
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var second = (await BackupsAsync(bench))[1];
        Assert.Contains($"\tusable backup: OK ({second})", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("DAMAGED", (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines[0], StringComparison.Ordinal);
        await bench.RefusedAsync(ErrorKind.Damaged, $"backup {second} suits", "barman", "restore", "montagu", first, target, "--dry-run");
        Assert.DoesNotContain("passed over", (await bench.BarmanAsync("restore", "montagu", "latest", target, "--dry-run")).Checked().Output, StringComparison.Ordinal);

        // The first one's is put back, and the second one's rots: the first counts, and only it.
        await File.WriteAllBytesAsync(Path.Combine(RootOf(await LineageAsync(bench), bench), "packs", first, "0001"), sound);
        sound = Flip(Path.Combine(RootOf(await LineageAsync(bench), bench), "packs", second, "0001"), 3);
        Assert.Equal(1, (await bench.BarmanAsync("verify-backup", "montagu", "all")).ExitCode);
        needs = $"needs damaged pages of pack {second}/0001";
        Assert.Contains($"\tusable backup: OK ({first}; backup {second} is newer, and {needs})", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        foreach (var word in (string[])["latest", "auto"])
        {
            var plan = (await bench.BarmanAsync("restore", "montagu", word, target, "--dry-run")).Checked();
            Assert.Contains($"backup {second} is passed over: it {needs}", plan.Output, StringComparison.Ordinal);
            Assert.Contains(first, plan.Output, StringComparison.Ordinal);
        }

        // It counts alone: it is not deleted where one is to stay, and where two are they are not there.
        bench.Configure(("minimum_redundancy", 1));
        Assert.Contains("minimum redundancy requirements: OK (have 1 backups, expected at least 1; 1 more cannot be restored", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.Contains("satisfied (1/1)", (await bench.BarmanAsync("status", "montagu")).Checked().Output, StringComparison.Ordinal);
        foreach (var option in (string[][])[["--dry-run"], []])
        {
            var kept = await bench.BarmanAsync(["delete", "montagu", first, .. option]);
            Assert.Equal(1, kept.ExitCode);
            Assert.Contains("(minimum redundancy = 1, current redundancy = 1, besides 1 that cannot be restored)", kept.Error, StringComparison.Ordinal);
        }
        Assert.Equal([first, second], await BackupsAsync(bench));
        (await bench.BarmanAsync("delete", "montagu", second, "--dry-run")).Checked();
        bench.Configure(("minimum_redundancy", 2));
        Assert.Contains("minimum redundancy requirements: FAILED (have 1 backups, expected at least 2", (await bench.BarmanAsync("check", "montagu")).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await bench.BarmanAsync("delete", "montagu", second)).ExitCode);
        bench.Configure();

        // All is well again, and stays.
        await File.WriteAllBytesAsync(Path.Combine(RootOf(await LineageAsync(bench), bench), "packs", second, "0001"), sound);
        (await bench.BarmanAsync("verify-backup", "montagu", "all")).Checked();
        Assert.Equal(0, (await bench.BarmanAsync("check", "montagu")).ExitCode);
        Assert.DoesNotContain("DAMAGED", (await bench.BarmanAsync("list-backup", "montagu")).Checked().Output, StringComparison.Ordinal);
        Assert.DoesNotContain("cannot be built on", (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked().Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_that_needs_only_sound_pages_of_a_damaged_pack_is_restored_also_where_the_mark_does_not_say_which_are_hurt()
    {
        await using var bench = await IncrementalBench.StartAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE big AS SELECT i, md5(i::text) AS hash, repeat('x', 100) AS pad FROM generate_series(1, 40000) i");
        var first = await bench.BackUpAsync();
        using var scratch = new Scratch("restored");
        var options = new RestoreOptions { Locations = bench.Reception.Locations, Server = bench.Reception.Config.Name, Target = Path.Combine(scratch.Path, "copy"), Backup = first.Id };
        await RestoreJob.RunAsync(options, null, default);
        await bench.Cluster.SqlAsync("DROP TABLE big");
        await bench.Cluster.SqlAsync("CHECKPOINT");
        var second = await bench.IncrementalAsync(first);
        var (lineage, name) = (bench.Reception.Lineage, $"{first.Id}/0001");
        var root = Path.Combine(bench.Reception.Locations.RepositoryDirectory(bench.Reception.Config.Name), $"{lineage.Identity.SystemId}");
        var needed = SmallRepository.NeededOf(await lineage.Backups.ReadManifestAsync(second.Id, default), name);
        Assert.True(needed.Count > 0);
        byte[] sound = await File.ReadAllBytesAsync(Path.Combine(root, "packs", name)), hurt = [.. sound];
        using (var pack = await lineage.Packs.OpenAsync(name, default))
        {
            var frame = pack.Index.Frames.First(f => !needed.ContainsAny(f.FirstPosition, f.Pages));
            hurt[frame.Offset + 5] ^= 4;
        }
        await File.WriteAllBytesAsync(Path.Combine(root, "packs", name), hurt);

        // Whoever looks only at what the second needs finds nothing; what is found then hurts the first alone.
        Assert.Empty((await VerifyAsync(second)).Damage);
        Assert.Equal([first.Id], Assert.Single((await VerifyAsync(first)).Damage).Backups);
        await AssertHurtAsync(first);
        var refused = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(Into("new") with { Backup = first.Id }, default));
        Assert.Equal(ErrorKind.Damaged, refused.Kind);
        Assert.Contains($"backup {second.Id} suits", refused.Hint, StringComparison.Ordinal);
        await bench.AssertRestoresAsync(second);

        // A copy that has the pages needs none of the pack.
        var delta = await RestoreJob.RunAsync(options with { IsDelta = true }, null, default);
        Assert.Contains(delta.Warnings, w => w.Contains($"backup {first.Id} needs damaged pages of pack {name}", StringComparison.Ordinal));

        // A look at a part takes nothing back, and a mark of an older version says nothing of pages: it counts against all, but a restore looks for itself.
        Assert.Contains((await VerifyAsync(second)).Notes, n => n.Contains("in pages that this backup does not need", StringComparison.Ordinal));
        await AssertHurtAsync(first);
        WriteOldMark(Path.Combine(root, "damaged", name), name);
        await AssertHurtAsync(first, second);
        await bench.AssertRestoresAsync(second);
        await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(Into("new") with { Backup = first.Id }, default));
        await VerifyAsync(second);
        await AssertHurtAsync(first);

        // Put back: one backup's verification has read all of it.
        await File.WriteAllBytesAsync(Path.Combine(root, "packs", name), sound);
        var verified = await VerifyAsync(second);
        Assert.Empty(verified.Damage);
        Assert.Contains($"pack {name} was known to be damaged, and is sound again", verified.Notes);
        Assert.False(File.Exists(Path.Combine(root, "damaged", name)));
        await AssertHurtAsync();
        var third = await bench.IncrementalAsync(second);

        // Without its index nothing of it can be had.
        hurt = [.. sound];
        hurt[^60] ^= 4;
        await File.WriteAllBytesAsync(Path.Combine(root, "packs", name), hurt);
        await VerifyAsync(second);
        await AssertHurtAsync(first, second, third);
        Assert.Equal(ErrorKind.NoUsableBackup, (await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(Into("new"), default))).Kind);
        await File.WriteAllBytesAsync(Path.Combine(root, "packs", name), sound);
        await VerifyAsync(second);
        await AssertHurtAsync();

        RestoreOptions Into(string directory) => options with { Backup = null, Target = Path.Combine(scratch.Path, directory) };

        Task<VerificationResult> VerifyAsync(BackupResult backup) => new BackupVerification(lineage, bench.Reception.Spool, null, 2, null).RunAsync([backup.Id], default);

        async Task AssertHurtAsync(params BackupResult[] backups)
        {
            var (received, all) = (await ReceivedWal.ListAsync(lineage.Wal, bench.Reception.Spool, default), await lineage.Backups.ListAsync(default));
            var packs = await HurtPacks.ReadAsync(lineage, default);
            foreach (var backup in all)
            {
                Assert.Equal(backups.Any(b => b.Id == backup.Id) ? [name] : [], await packs.FindAsync(backup.Id, default));
            }
            var windows = await RecoveryWindows.ListAsync(lineage, bench.Reception.Spool, received, all, default);
            Assert.Empty(windows.All.SelectMany(static w => w.Backups).Select(static b => b.Id).Intersect(backups.Select(static b => b.Id)));
            var coverage = await WalCoverage.OfAsync(await HurtPacks.ReadAsync(lineage, default), received, all, null, isReceiving: true, default);
            Assert.Equal(all.Select(static b => b.Id).Except(backups.Select(static b => b.Id)).Cast<BackupId?>().LastOrDefault(), coverage.Latest);
        }
    }

    static void WriteOldMark(string file, string pack)
    {
        var payload = Encoding.UTF8.GetBytes($"{{\"pack\":\"{pack}\",\"how\":\"a frame\"}}\n");
        File.WriteAllBytes(file, [.. Encoding.ASCII.GetBytes($"barkeep damaged 1 {payload.Length} {Convert.ToHexStringLower(XxHash128.Hash(payload))}\n"), .. payload]);
    }

    // Returns the file as it was.
    static byte[] Flip(string file, int part)
    {
        var sound = File.ReadAllBytes(file);
        byte[] hurt = [.. sound];
        hurt[hurt.Length / part] ^= 4;
        File.WriteAllBytes(file, hurt);
        return sound;
    }

    static string RootOf(Lineage lineage, CommandBench bench) => Path.Combine(bench.Rig.Home, "montagu/repository", $"{lineage.Identity.SystemId}");

    static async Task<Lineage> LineageAsync(CommandBench bench) => (await Repository.OpenAsync(Path.Combine(bench.Rig.Home, "montagu/repository"), default)).Current!;

    static async Task<List<string>> BackupsAsync(CommandBench bench) => [.. (await (await LineageAsync(bench)).Backups.ListAsync(default)).Select(static b => $"{b.Id}")];
}
