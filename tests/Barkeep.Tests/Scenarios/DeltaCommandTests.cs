using System.Text.Json.Nodes;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Delta restores by the program itself: killed at any call, watched, and told about.</summary>
public sealed class DeltaCommandTests(DeltaCluster cluster)
{
    [Theory]
    [InlineData("renameat", 1, 2)]
    [InlineData("unlinkat", 1, 2, 3, 8, 40, 80)]
    [InlineData("mkdirat", 1, 2)]
    [InlineData("pwrite64", 1, 2, 5, 30, 90)]
    [InlineData("ftruncate", 1, 3, 20)]
    [InlineData("openat2", 5, 20, 100, 300)]
    [InlineData("fsync", 1, 2, 3, 4, 5)]
    [InlineData("fdatasync", 1, 2, 3)]
    [InlineData("syncfs", 1)]
    [InlineData("fchmod", 1, 5, 50)]
    public async Task R3_killed_at_any_call_it_cannot_be_started_half_done_and_is_finished_by_the_next(string call, params int[] counts)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var target = rig.RestoreDirectory;
        await source.RestoreAsync(target, source.First);
        foreach (var count in counts)
        {
            var before = await TreeImage.TakeAsync(target, "barkeep.restored");
            var killed = await rig.RunAsync(new Strace($"{call}:signal=KILL:when={count}"), "restore-last", "--delta");
            Assert.True(killed.ExitCode is 137 or 0, killed.ToString());
            if (killed.ExitCode == 137 && File.Exists(Path.Combine(target, "global/pg_control")))
            {
                // Nothing has been done yet, or everything.
                foreach (var marker in new[] { "barkeep.unfinished-restore", "barkeep.unfinished-restore.new" })
                {
                    File.Delete(Path.Combine(target, marker));
                }
                var now = await TreeImage.TakeAsync(target, "barkeep.restored");
                Assert.True(now.Differences(before).Length == 0 || now.Differences(await TreeImage.TakeAsync(source.FreshOf(source.Second), "barkeep.restored")).Length == 0, $"{call} {count}");
            }
            (await rig.RunAsync("restore-last", "--delta")).Checked();
            await source.AssertFreshAsync(target);
            await source.DeltaAsync(target, source.First);
        }
    }

    [Fact]
    public async Task R3_a_half_done_delta_does_not_start_and_a_plain_restore_says_what_finishes_it()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        await source.RestoreAsync(rig.RestoreDirectory, source.First);
        var killed = await rig.RunAsync(new Strace("pwrite64:signal=KILL:when=60"), "restore-last", "--delta");
        Assert.Equal(137, killed.ExitCode);
        await using (var half = await TestCluster.OnDirectoryAsync(rig.RestoreDirectory, source.Source))
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => half.StartAsync());
        }
        var plain = await rig.RunAsync("restore-last");
        Assert.Equal(50, plain.ExitCode);
        Assert.Contains("--delta", plain.Error, StringComparison.Ordinal);
        (await rig.RunAsync("restore-last", "--delta")).Checked();
        await using (await source.StartAsync(rig.RestoreDirectory))
        {
        }
    }

    [Theory]
    [InlineData("setpriv", "--bounding-set=-sys_ptrace")]
    [InlineData("unshare", "--mount", "sh", "-c", """mount -t proc -o hidepid=2 proc /proc && exec setpriv --bounding-set=-sys_ptrace "$@" """, "sh")]
    public async Task R2_a_copy_that_a_server_runs_on_is_refused_also_to_a_root_that_may_not_look_at_other_users_processes(params string[] launcher)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        rig.Launcher = launcher;
        await source.RestoreAsync(rig.RestoreDirectory, source.Second);
        await using (var server = await source.StartAsync(rig.RestoreDirectory))
        {
            var refused = await rig.RunAsync("restore-last", "--delta");
            Assert.Equal(54, refused.ExitCode);
            Assert.Contains("postmaster.pid", refused.Error, StringComparison.Ordinal);
            Assert.True(server.IsRunning);
            await server.StopAsync();
        }

        // Other servers that it may not look at, the source among them, do not matter where none has left its mark.
        (await rig.RunAsync("restore-last", "--delta")).Checked();
        await source.AssertFreshAsync(rig.RestoreDirectory);
    }

    [Fact]
    public async Task Files_that_the_record_vouches_for_are_not_opened_and_only_pages_that_changed_are_written()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        await source.RestoreAsync(rig.RestoreDirectory, source.First);
        await using var process = rig.Start(new Strace("openat2:delay_enter=1"), "restore-last", "--delta");
        var result = (await process.ExitAsync(TimeSpan.FromMinutes(2))).Checked();
        Assert.Contains("not touched since the last restore", result.Output, StringComparison.Ordinal);

        // The same table in both backups, untouched in between, and its index.
        foreach (var relation in new[] { "same", "pg_proc" })
        {
            var file = await source.Source.ScalarAsync<string>($"SELECT pg_relation_filepath('{relation}')");
            Assert.DoesNotContain($"\"{file}\"", process.StraceLog, StringComparison.Ordinal);
        }
        var changed = await source.Source.ScalarAsync<string>("SELECT pg_relation_filepath('t')");
        Assert.Contains($"\"{changed}\"", process.StraceLog, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_compared_and_written_is_told_and_a_dry_run_tells_beforehand()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        await source.RestoreAsync(rig.RestoreDirectory, source.First);
        var before = await TreeImage.TakeAsync(rig.RestoreDirectory);
        var plan = (await rig.RunAsync("barman", "recover", "montagu", "latest", rig.RestoreDirectory, "--delta-restore", "--dry-run")).Checked();
        Assert.Contains("do not belong and are removed", plan.Output, StringComparison.Ordinal);
        Assert.Matches(@"\nWAL from [0-9A-F/]+ to [0-9A-F/]+ on timeline 1: \d+ segments, \d+\.\d MiB\n", plan.Output);
        Assert.Equal("", (await TreeImage.TakeAsync(rig.RestoreDirectory)).Differences(before));

        var result = (await rig.RunAsync("barman", "-f", "json", "recover", "montagu", "latest", rig.RestoreDirectory, "--delta-restore")).Checked();
        var delta = JsonNode.Parse(result.Output)!["delta"]!;
        Assert.True(delta["skipped_files"]!.GetValue<int>() > 1000, result.Output);
        Assert.InRange(delta["written_page_bytes"]!.GetValue<long>(), 8192, 50 << 20);
        await source.AssertFreshAsync(rig.RestoreDirectory);
    }

    static BarkeepRig Rig(DeltaCluster.State source)
    {
        var rig = new BarkeepRig();
        rig.Environment["BARKEEP_HOME"] = source.Locations.Home;
        File.WriteAllText(Path.Combine(rig.ConfigDirectory, $"{HandMadeBackup.Server}.json"), "{}");
        return rig;
    }
}
