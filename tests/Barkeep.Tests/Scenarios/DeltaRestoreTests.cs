using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.RegularExpressions;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Delta restores into all that may be there: each ends as a restore into an empty directory does, and what it gives starts.</summary>
public sealed class DeltaRestoreTests(DeltaCluster cluster)
{
    [Fact]
    public async Task Into_an_empty_directory_or_none_it_is_a_restore_like_any()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var result = await source.DeltaAsync(Path.Combine(scratch.Path, "absent"));
        Assert.Null(result.Delta);
        Assert.Null((await source.DeltaAsync(Directory.CreateDirectory(Path.Combine(scratch.Path, "empty")).FullName)).Delta);
    }

    [Fact]
    public async Task Into_what_the_same_restore_left_nothing_is_read_and_next_to_nothing_written()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.Second);
        var delta = (await source.DeltaAsync(scratch.Path)).Delta!;
        // What the restore itself changes in the backup's files: the configuration.
        Assert.InRange(delta.ReadFiles, 0, 3);
        Assert.InRange(delta.ReadBytes, 0, 100_000);
        Assert.InRange(delta.PageBytes, 0, 100_000);
        Assert.True(delta.SkippedFiles > 1000, $"{delta}");
        Assert.Equal(0, delta.RemovedCount);
    }

    [Fact]
    public async Task Into_an_older_and_a_newer_copy_what_changed_is_written()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        var forth = (await source.DeltaAsync(scratch.Path)).Delta!;
        var back = (await source.DeltaAsync(scratch.Path, source.First)).Delta!;
        Assert.Equal(0, back.ReadFiles - forth.ReadFiles);
        Assert.True(forth.RemovedCount > 0);
        Assert.True(back.RemovedCount > 0);
        var whole = new DirectoryInfo(scratch.Path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static f => f.Length);
        Assert.InRange(back.PageBytes, 1, whole / 4);
        await using (await source.StartAsync(scratch.Path))
        {
        }
    }

    [Theory]
    [InlineData("stopped")]
    [InlineData("killed")]
    [InlineData("in recovery")]
    public async Task Into_a_copy_that_was_started_and_written_to_since(string how)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        await using (var clone = await TestCluster.OnDirectoryAsync(scratch.Path, source.Source))
        {
            await clone.StartAsync();
            if (how != "in recovery")
            {
                await clone.RecoveredAsync();
                await clone.SqlAsync("CREATE TABLE mine AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i; UPDATE t SET s = 'mine' WHERE i % 500 = 0; DROP TABLE same");
                await clone.SqlAsync($"CREATE TABLESPACE mine LOCATION '{await source.Source.NewDirectoryAsync($"mine-{how}")}'");
                await clone.SqlAsync("CREATE TABLE there TABLESPACE mine AS SELECT 1 AS i; CHECKPOINT");
                await clone.SqlAsync("DROP DATABASE second");
                await clone.SqlAsync("UPDATE t SET s = 'again'");
            }
            if (how == "stopped")
            {
                await clone.StopAsync();
            }
        }
        // Its children may outlive a postmaster that was killed.
        await Eventually.IsTrueAsync(() => !ProcessTable.Pids().Any(pid => new FileInfo($"/proc/{pid}/cwd").LinkTarget == scratch.Path), "the server's processes end");
        var delta = (await source.DeltaAsync(scratch.Path)).Delta!;
        Assert.True(delta.SkippedFiles > 500 && (how == "in recovery" || delta.RemovedCount > 2), $"{delta}");
        await using (await source.StartAsync(scratch.Path))
        {
        }
    }

    [Theory]
    [InlineData(true, true, false)]
    [InlineData(true, false, true)]
    [InlineData(false, true, true)]
    public async Task After_a_power_cut_the_record_is_believed_only_where_no_server_was_started(bool wasStarted, bool wasCut, bool isBelieved)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        if (wasStarted)
        {
            // In single-user mode, with nothing to do: it replays and ends. The files keep all their times but for what it writes.
            (await source.Source.RunAsync("postgres", "--single", "-D", scratch.Path, "postgres")).Checked();
        }
        if (wasCut)
        {
            // As if the machine had been started anew since.
            var boot = (await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id")).Trim();
            await RewriteRecordAsync(Path.Combine(scratch.Path, "barkeep.restored"), version: 2, head => head.Replace(boot, "00000000-0000-4000-8000-000000000000", StringComparison.Ordinal));
        }

        var delta = (await source.DeltaAsync(scratch.Path)).Delta!;

        Assert.Equal(isBelieved, delta.SkippedFiles > 500);
        Assert.Equal(isBelieved, delta.SkippedFiles > 0);
    }

    [Fact]
    public async Task Into_a_copy_of_a_copy_files_are_read_whatever_the_record_says()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        (await Command.RunAsync("cp", "-a", $"{source.FreshOf(source.First)}/.", scratch.Path)).Checked();
        var delta = (await source.DeltaAsync(scratch.Path)).Delta!;
        Assert.Equal(0, delta.SkippedFiles);
        Assert.True(delta.ReadFiles > 1000);
    }

    [Fact]
    public async Task The_record_is_believed_with_a_copy_of_the_repository_and_only_as_long_as_the_backup_is_there_that_it_speaks_of()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("repository");
        var (target, home) = (Path.Combine(scratch.Path, "data"), Path.Combine(scratch.Path, "home"));
        (await Command.RunAsync("cp", "-a", source.Locations.Home, home)).Checked();
        var into = source.Into(target) with { Locations = source.Locations with { Home = home } };
        await source.RestoreAsync(target, source.First);
        Assert.True((await RestoreJob.PlanAsync(into, default)).Delta!.HasRecord);
        Assert.True((await RestoreJob.RunAsync(into, null, default)).Delta!.SkippedFiles > 1000);

        await source.DeltaAsync(target, source.First);
        using var backup = new HandMadeBackup(source.Source, home);
        await (await backup.LineageAsync()).Backups.RemoveAsync(source.First, default);
        Assert.False((await RestoreJob.PlanAsync(into, default)).Delta!.HasRecord);
        var delta = (await RestoreJob.RunAsync(into, null, default)).Delta!;
        Assert.Equal(0, delta.SkippedFiles);
        await source.AssertFreshAsync(target);
    }

    [Fact]
    public async Task Into_what_another_repository_of_the_same_cluster_has_filled_though_its_packs_have_the_same_names()
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off"] });
        await source.SqlAsync("CREATE TABLE t WITH (fillfactor = 50) AS SELECT i, md5(i::text) AS s FROM generate_series(1, 20000) i");
        using var backup = new HandMadeBackup(source);
        using var other = new HandMadeBackup(source);
        var id = await backup.TakeAsync();
        await source.SqlAsync("UPDATE t SET s = md5(s) WHERE i % 1000 = 0");
        Assert.Equal(id, await other.TakeAsync());
        using var scratch = new Scratch("target");
        var (target, fresh) = (Path.Combine(scratch.Path, "target"), Path.Combine(scratch.Path, "fresh"));
        var into = new RestoreOptions { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target, Backup = id, IsDelta = true };
        await RestoreJob.RunAsync(into, null, default);
        await RestoreJob.RunAsync(into with { Locations = other.Locations, Target = fresh }, null, default);

        var delta = (await RestoreJob.RunAsync(into with { Locations = other.Locations }, null, default)).Delta!;

        await AssertSameAsync(target, fresh);
        Assert.Equal(0, delta.SkippedFiles);
    }

    [Fact]
    public async Task Into_what_an_older_version_restored_files_are_read()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        await RewriteRecordAsync(Path.Combine(scratch.Path, "barkeep.restored"), version: 1, static head => Regex.Replace(head, "\"manifestHash\":\"[0-9a-f]{32}\",", ""));
        Assert.Equal(0, (await source.DeltaAsync(scratch.Path)).Delta!.SkippedFiles);
        Assert.True((await source.DeltaAsync(scratch.Path)).Delta!.SkippedFiles > 1000);
    }

    [Fact]
    public async Task Into_a_base_backup_of_PostgreSQLs_own_which_has_no_record()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await PostgresUser.OwnAsync(scratch.Path);
        var place = Directory.CreateDirectory(Path.Combine(scratch.Path, "place")).FullName;
        await PostgresUser.OwnAsync(scratch.Path);
        var target = Path.Combine(scratch.Path, "copy");
        (await source.Source.RunAsync("pg_basebackup", "--pgdata", target, "--checkpoint=fast", "--no-sync", $"--tablespace-mapping={source.Tablespace}={place}")).Checked();
        var there = await TreeImage.TakeAsync(place);

        var result = await source.DeltaAsync(target);

        // The tablespace is inside now; where the link led, nothing has changed.
        Assert.Contains(result.Warnings, w => w.Contains(place, StringComparison.Ordinal));
        Assert.Equal("", (await TreeImage.TakeAsync(place)).Differences(there));
        await using (await source.StartAsync(target))
        {
        }
    }

    [Fact]
    public async Task A_tablespace_that_was_mapped_outside_is_compared_too()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var (target, place) = (Path.Combine(scratch.Path, "data"), Path.Combine(scratch.Path, "place"));
        var (freshTarget, freshPlace) = (Path.Combine(scratch.Path, "fresh"), Path.Combine(scratch.Path, "fresh-place"));
        var into = source.Into(target) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = place } };
        await RestoreJob.RunAsync(into with { Backup = source.First }, null, default);
        await RestoreJob.RunAsync(into with { Target = freshTarget, Tablespaces = new Dictionary<string, string> { ["elsewhere"] = freshPlace } }, null, default);
        await File.WriteAllTextAsync(Path.Combine(Directory.EnumerateDirectories(place).Single(), "stray"), "x");

        var delta = (await RestoreJob.RunAsync(into, null, default)).Delta!;

        Assert.InRange(delta.ReadFiles, 0, 3);
        Assert.Equal("", (await TreeImage.TakeAsync(place)).Differences(await TreeImage.TakeAsync(freshPlace)));
        await using (await source.StartAsync(target))
        {
        }
    }

    [Fact]
    public async Task Room_is_needed_only_for_what_is_added()
    {
        var source = await cluster.GetAsync();
        await using var disk = await LoopDisk.CreateAsync(400);
        await source.RestoreAsync(disk.MountPoint, source.First);
        await disk.FillAsync(leaveBytes: 30 << 20);
        Assert.True(disk.FreeBytes < 31 << 20);
        var into = source.Into(disk.MountPoint);

        // The ballast does not belong there, and its room would count.
        var ballast = Path.Combine(disk.MountPoint, "lost+found", "ballast");
        File.Move(Path.Combine(disk.MountPoint, ".ballast"), ballast);
        var result = await RestoreJob.RunAsync(into, null, default);
        Assert.True(result.Delta!.PageBytes < 30 << 20);
        Assert.True(File.Exists(ballast));

        // Nothing is there any more that could be kept: the whole needs more room than there is.
        Directory.Delete(Path.Combine(disk.MountPoint, "base"), recursive: true);
        File.Move(ballast, Path.Combine(disk.MountPoint, "lost+found", "more"));
        (await Command.RunAsync("fallocate", "--length", $"{disk.FreeBytes - (20 << 20)}", Path.Combine(disk.MountPoint, "lost+found", "again"))).Checked();
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(into, null, default));
        Assert.Equal(ErrorKind.TargetTooSmall, error.Kind);
        Assert.True(File.Exists(Path.Combine(disk.MountPoint, "global/pg_control")));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public Task On_the_oldest_and_the_newest_version(int version) => AssertDeltaAsync(version);

    [Fact]
    [Trait("Category", "slow")]
    public Task On_a_version_between() => AssertDeltaAsync(17);

    static async Task AssertDeltaAsync(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off"] });
        using var backup = new HandMadeBackup(source);
        await source.SqlAsync("CREATE TABLE t AS SELECT i, md5(i::text) AS s FROM generate_series(1, 20000) i; CREATE INDEX ON t (i); CREATE TABLE dropped AS SELECT * FROM t");
        var first = await backup.TakeAsync();
        await source.SqlAsync("DROP TABLE dropped; UPDATE t SET s = 'changed' WHERE i % 1000 = 0; CREATE TABLE added AS SELECT * FROM t");
        var second = await backup.TakeAsync();
        await source.SqlAsync("UPDATE t SET s = 'late' WHERE i % 3000 = 0");
        await backup.ReceiveAsync();
        var rows = await RowDigest.TakeAsync(source);
        using var scratch = new Scratch("version");
        var (target, fresh) = (Path.Combine(scratch.Path, "target"), Path.Combine(scratch.Path, "fresh"));
        var into = new RestoreOptions { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target, Backup = second, IsDelta = true };
        await RestoreJob.RunAsync(into with { Target = fresh }, null, default);

        // Untouched, by the record.
        await RestoreJob.RunAsync(into with { Backup = first }, null, default);
        var untouched = (await RestoreJob.RunAsync(into, null, default)).Delta!;
        Assert.True(untouched.SkippedFiles > 500 && untouched.ReadFiles < 20, $"{untouched}");
        await AssertSameAsync(target, fresh);

        // Written to since.
        await using (var clone = await TestCluster.OnDirectoryAsync(target, source))
        {
            await clone.StartAsync();
            await clone.RecoveredAsync();
            await clone.SqlAsync("UPDATE t SET s = 'mine'; DROP TABLE added; CREATE TABLE mine AS SELECT 1 AS i; CHECKPOINT");
            await clone.StopAsync();
        }
        var touched = (await RestoreJob.RunAsync(into, null, default)).Delta!;
        Assert.True(touched.SkippedFiles > 500 && touched.RemovedCount > 0, $"{touched}");
        await AssertSameAsync(target, fresh);
        await using var restored = await TestCluster.OnDirectoryAsync(target, source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
    }

    static async Task AssertSameAsync(string target, string fresh) =>
        Assert.Equal("", (await TreeImage.TakeAsync(target, "barkeep.restored")).Differences(await TreeImage.TakeAsync(fresh, "barkeep.restored")));

    // With another head (docs/format.md, "Records"): all its hashes are right.
    static async Task RewriteRecordAsync(string record, int version, Func<string, string> change)
    {
        const int HashLength = 16;
        var bytes = await File.ReadAllBytesAsync(record);
        var end = Array.IndexOf(bytes, (byte)'\n') + 1;
        var head = Encoding.ASCII.GetString(bytes, 0, end).TrimEnd().Split(' ');
        var length = int.Parse(head[3], CultureInfo.InvariantCulture);
        var payload = Encoding.UTF8.GetString(bytes, end, length);
        var changed = Encoding.UTF8.GetBytes(change(payload));
        Assert.NotEqual(payload, change(payload));
        head[2] = $"{version}";
        head[3] = $"{changed.Length}";
        head[4] = Convert.ToHexStringLower(XxHash128.Hash(changed));
        byte[] rest = [.. Encoding.ASCII.GetBytes(string.Join(' ', head) + "\n"), .. changed, .. bytes.AsSpan((end + length)..^HashLength)];
        await File.WriteAllBytesAsync(record, [.. rest, .. XxHash128.Hash(rest)]);
    }
}
