using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class BackupKillTests
{
    const string Server = "main";

    [Theory]
    [InlineData("started")]
    [InlineData("0001")]
    [InlineData("manifest")]
    public async Task B1_a_backup_killed_just_before_an_object_gets_its_name_is_cleared_away_by_cron(string death)
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var rig = new BarkeepRig();
        using var bench = await SetUpAsync(rig, cluster);
        var whole = await bench.BackUpAsync();
        var (before, known) = (bench.PackFiles(), Objects(bench));

        // Each name is given late, which leaves the time to kill in between.
        await using (var process = rig.Start(new Strace("renameat2:delay_enter=3000000"), "barman", "backup", Server))
        {
            await Eventually.GivesAsync(
                () => Objects(bench).Except(known).ToList(),
                objects => death switch
                {
                    "started" => objects.Any(static o => o.StartsWith("tmp/", StringComparison.Ordinal)),
                    "0001" => objects.Any(static o => o.EndsWith("/started", StringComparison.Ordinal)) && objects.Any(static o => o.StartsWith("tmp/", StringComparison.Ordinal)),
                    _ => objects.Any(static o => o.EndsWith("/0001", StringComparison.Ordinal)),
                },
                $"the step before {death}");
            await process.KillAsync();
        }
        Assert.DoesNotContain(Objects(bench).Except(known), o => o.EndsWith($"/{death}", StringComparison.Ordinal));
        Assert.NotEqual(before, bench.PackFiles());
        var records = await bench.ListAsync();
        Assert.Equal(death == "started" ? [BackupState.WaitingForWals] : [BackupState.WaitingForWals, BackupState.Started], records.Select(r => r.State));
        await BackupBench.NothingIsLeftAsync(cluster);

        (await rig.RunAsync("barman", "cron")).Checked();
        // The receiver that cron starts may be writing an object at the moment.
        await Eventually.GivesAsync(bench.PackFiles, files => files.SequenceEqual(before), "packs and unfinished files are cleared");
        records = await bench.ListAsync();
        // The receiver may have brought the WAL by now.
        Assert.True(records[0].State is BackupState.WaitingForWals or BackupState.Done, $"{records[0]}");
        Assert.Equal(death == "started" ? [] : [BackupState.Failed], records.Skip(1).Select(static r => r.State));
        Assert.All(records.Skip(1), r => Assert.Contains("interrupted", r.Failure, StringComparison.Ordinal));

        await bench.UnpackAsync(whole.Id, await cluster.NewDirectoryAsync("whole"));
        await bench.UnpackAsync((await bench.BackUpAsync()).Id, await cluster.NewDirectoryAsync("next"));
    }

    [Fact]
    public async Task B1_a_backup_killed_while_it_copies_is_cleared_away_by_the_next_backup()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var rig = new BarkeepRig();
        using var bench = await SetUpAsync(rig, cluster);
        await using (var process = rig.Start("barman", "backup", Server, "--bwlimit", "1500"))
        {
            await process.PrintsAsync("Starting backup copy");
            await process.KillAsync();
        }
        Assert.Equal(BackupState.Started, Assert.Single(await bench.ListAsync()).State);
        var next = await bench.BackUpAsync();

        Assert.Equal([BackupState.Failed, BackupState.WaitingForWals], (await bench.ListAsync()).Select(r => r.State));
        Assert.All(bench.PackFiles(), f => Assert.Contains($"/{next.Id}/", f, StringComparison.Ordinal));
    }

    [Fact]
    public async Task B2_SIGTERM_ends_a_backup_at_once_with_its_own_exit_code_and_nothing_left()
    {
        await using var cluster = await TestCluster.StartNewAsync();
        await using var rig = new BarkeepRig();
        using var bench = await SetUpAsync(rig, cluster);
        await using var process = rig.Start("barman", "backup", Server, "--bwlimit", "500");
        await process.PrintsAsync("Starting backup copy");
        process.Send(Signal.Terminate);
        // docker stop waits ten seconds before it kills.
        var result = await process.ExitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(128 + 15, result.ExitCode);
        Assert.Equal(BackupState.Failed, Assert.Single(await bench.ListAsync()).State);
        Assert.Empty(bench.PackFiles());
        await BackupBench.NothingIsLeftAsync(cluster);
    }

    static List<string> Objects(BackupBench bench) =>
        [.. Directory.EnumerateFiles(bench.RepositoryDirectory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(bench.RepositoryDirectory, f))];

    /// <summary>Configures the server as setup does, without the receiver that it would start.</summary>
    internal static async Task<BackupBench> SetUpAsync(BarkeepRig rig, TestCluster cluster)
    {
        rig.WriteServer(Server, cluster, await cluster.CreateBarkeepRolesAsync());
        var locations = Locations.From(name => rig.Environment.GetValueOrDefault(name));
        var name = ServerName.Parse(Server);
        SetupFile.Write(locations.SetupFile(name), TimeProvider.System.GetUtcNow(), new Dictionary<string, string>());
        return new(new ConfigReader(locations, new Dictionary<string, string>()).Read(name), locations);
    }
}
