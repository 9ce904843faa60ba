using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class DamagedRepositoryTests(RestorableCluster cluster)
{
    public static TheoryData<string, string, ErrorKind> Mutilations => new()
    {
        { "packs/*/0001", "flip 0.3", ErrorKind.Damaged },
        { "packs/*/0001", "flip 0.999", ErrorKind.Damaged },
        { "packs/*/0001", "flip 0", ErrorKind.Damaged },
        { "packs/*/0001", "cut", ErrorKind.Damaged },
        { "packs/*/0001", "empty", ErrorKind.Damaged },
        { "packs/*/0001", "remove", ErrorKind.ObjectMissing },
        { "packs/*/0001", "directory", ErrorKind.Storage },
        { "backups/*/manifest", "flip 0.01", ErrorKind.Damaged },
        { "backups/*/manifest", "flip 0.7", ErrorKind.Damaged },
        { "backups/*/manifest", "cut", ErrorKind.Damaged },
        { "backups/*/manifest", "empty", ErrorKind.Damaged },
        { "backups/*/manifest", "remove", ErrorKind.BackupUnusable },
        { "first segment", "flip 0.5", ErrorKind.Damaged },
        { "first segment", "cut", ErrorKind.Damaged },
        { "first segment", "remove", ErrorKind.WalGap },
        { "first segment", "swap", ErrorKind.Damaged },
        { "last segment", "flip 0.5", ErrorKind.Damaged },
        { "last segment", "cut", ErrorKind.Damaged },
    };

    [Theory]
    [MemberData(nameof(Mutilations))]
    public async Task B6_a_mutilated_object_is_found_and_nothing_that_starts_is_restored(string which, string how, ErrorKind kind)
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        Mutilate(await FindAsync(locations, which), how);

        using var scratch = new Scratch("target");
        var target = scratch.Path;
        var options = source.Into(target) with { Locations = locations, Backup = source.Backup };
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.True(error.Kind == kind, error.ToString());
        Assert.False(File.Exists(Path.Combine(target, "global/pg_control")));
        if (Directory.EnumerateFileSystemEntries(target).Any())
        {
            Assert.Contains(target, error.Message, StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(target, "barkeep.unfinished-restore")));
            Assert.Equal(ErrorKind.TargetNotEmpty, (await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default))).Kind);
        }
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task B6_objects_that_nothing_refers_to_change_nothing()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var pack = await FindAsync(locations, "packs/*/0001");
        File.Copy(pack, Path.Combine(Path.GetDirectoryName(pack)!, "0007"));
        await File.WriteAllTextAsync(Path.Combine(Path.GetDirectoryName(pack)!, "0008"), "no pack at all");
        await File.WriteAllTextAsync(Path.Combine(locations.RepositoryDirectory(ServerName.Parse(HandMadeBackup.Server)), "tmp/left"), "by a crash");

        using var scratch = new Scratch("target");
        var target = scratch.Path;
        await RestoreJob.RunAsync(source.Into(target) with { Locations = locations }, null, default);
        await using (await source.StartAsync(target))
        {
        }
    }

    [Fact]
    public async Task B6_the_newest_backup_is_passed_over_when_it_is_damaged_and_that_is_said()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) i");
        var first = await backup.TakeAsync();
        await server.SqlAsync("INSERT INTO t SELECT i FROM generate_series(1, 5000) i");
        var second = await backup.TakeAsync();
        var third = await backup.TakeAsync();
        var rows = await RowDigest.TakeAsync(server);
        Mutilate(await FindAsync(backup.Locations, $"backups/{third}/manifest"), "flip 0.7");
        Mutilate(await FindAsync(backup.Locations, $"packs/{second}/0001"), "remove");

        using var scratch = new Scratch("target");
        var target = scratch.Path;
        var result = await RestoreJob.RunAsync(new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target }, null, default);
        Assert.Equal(first, result.Plan.Backup);
        Assert.Contains(result.Warnings, w => w.Contains(second.ToString(), StringComparison.Ordinal));
        Assert.Contains(result.Warnings, w => w.Contains(third.ToString(), StringComparison.Ordinal));
        await using var restored = await TestCluster.OnDirectoryAsync(target, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
    }

    [Fact]
    public async Task B6_a_missing_segment_ends_the_restore_there_and_what_is_lost_is_said_loudly()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t (i int)");
        await backup.TakeAsync();
        await server.SqlAsync("INSERT INTO t VALUES (1)");
        await server.SqlAsync("SELECT pg_switch_wal()");
        await backup.ReceiveAsync();
        var lost = SegmentName.Containing(TimelineId.First, Lsn.Parse(await server.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text")), new(1 << 20));
        await server.SqlAsync("INSERT INTO t VALUES (2)");
        await server.SqlAsync("SELECT pg_switch_wal()");
        await server.SqlAsync("INSERT INTO t VALUES (3)");
        await server.SqlAsync("SELECT pg_switch_wal()");
        await backup.ReceiveAsync();
        Mutilate(await FindAsync(backup.Locations, $"wal/{lost.ToString()[..16]}/{lost}"), "remove");

        using var scratch = new Scratch("target");
        var target = scratch.Path;
        var result = await RestoreJob.RunAsync(new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target }, null, default);
        var warning = Assert.Single(result.Warnings);
        Assert.Contains($"{lost}", warning, StringComparison.Ordinal);
        Assert.Contains("MISSING", warning, StringComparison.Ordinal);
        Assert.True(result.ReachedLsn <= lost.Start(new(1 << 20)));
        await using var restored = await TestCluster.OnDirectoryAsync(target, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(["1"], await restored.ListAsync("SELECT i FROM t"));
    }

    [Fact]
    public async Task B6_a_damaged_tail_ends_the_restore_before_the_damage_and_that_is_said_loudly()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t (i int)");
        await backup.TakeAsync();
        await server.SqlAsync("INSERT INTO t VALUES (1)");
        var between = Lsn.Parse(await server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text"));
        await server.SqlAsync("INSERT INTO t VALUES (2)");
        await server.SqlAsync("INSERT INTO t VALUES (3)");
        await backup.ReceiveAsync();
        var size = new SegmentSize(1 << 20);
        var tail = Path.Combine(await backup.SpoolAsync(), SegmentName.Containing(TimelineId.First, between, size).ToString());
        var bytes = await File.ReadAllBytesAsync(tail);
        bytes[size.OffsetOf(between) + 26] ^= 4;
        await File.WriteAllBytesAsync(tail, bytes);

        using var scratch = new Scratch("target");
        var result = await RestoreJob.RunAsync(new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = scratch.Path }, null, default);
        Assert.Contains("CANNOT BE USED", Assert.Single(result.Warnings), StringComparison.Ordinal);
        Assert.Equal(between, result.ReachedLsn);
        var restoredTail = await File.ReadAllBytesAsync(Path.Combine(scratch.Path, "pg_wal", Path.GetFileName(tail)));
        Assert.Equal(size.Bytes, restoredTail.Length);
        Assert.False(restoredTail.AsSpan(size.OffsetOf(between)).ContainsAnyExcept((byte)0));
        await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(["1"], await restored.ListAsync("SELECT i FROM t"));
    }

    [Fact]
    public async Task B6_a_damaged_record_of_a_gap_is_told_and_prevents_nothing()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var lineage = (await Repository.OpenAsync(locations.RepositoryDirectory(ServerName.Parse(HandMadeBackup.Server)), default)).Current!;
        await lineage.Wal.RecordGapAsync(new(new(1), new(0x90000000), new(0x90100000), "for a test", DateTimeOffset.UnixEpoch), default);
        Mutilate(await FindAsync(locations, "gaps/.*"), "flip 0.9");
        using var scratch = new Scratch("target");
        var result = await RestoreJob.RunAsync(source.Into(scratch.Path) with { Locations = locations }, null, default);
        Assert.Contains(result.Warnings, w => w.Contains("/gaps/", StringComparison.Ordinal));
    }

    static async Task<string> FindAsync(Locations locations, string which)
    {
        var directory = locations.RepositoryDirectory(ServerName.Parse(HandMadeBackup.Server));
        var lineage = (await Repository.OpenAsync(directory, default)).Current!;
        if (which.EndsWith("segment", StringComparison.Ordinal))
        {
            var backup = (await lineage.Backups.ListAsync(default))[0].Info!;
            var begin = SegmentName.Containing(TimelineId.First, backup.BeginLsn, lineage.Identity.SegmentSize);
            var segments = (await lineage.Wal.ListSegmentsAsync(default)).Select(s => s.Name).ToList();
            var name = which == "first segment" ? begin : segments[^1];
            which = $"wal/{name.ToString()[..16]}/{name}";
        }
        var expression = new System.Text.RegularExpressions.Regex($"/{which.Replace("*", "[^/]*", StringComparison.Ordinal)}$");
        return Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Single(f => expression.IsMatch(f));
    }

    static void Mutilate(string path, string how)
    {
        var bytes = File.ReadAllBytes(path);
        switch (how.Split(' ')[0])
        {
            case "flip":
                bytes[(int)(bytes.Length * double.Parse(how.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture))] ^= 0x10;
                File.WriteAllBytes(path, bytes);
                break;
            case "cut":
                File.WriteAllBytes(path, bytes[..(bytes.Length / 2)]);
                break;
            case "empty":
                File.WriteAllBytes(path, []);
                break;
            case "remove":
                File.Delete(path);
                break;
            case "directory":
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
            case "swap":
                var next = Directory.EnumerateFiles(Path.GetDirectoryName(path)!).Order(StringComparer.Ordinal).First(f => string.CompareOrdinal(f, path) > 0);
                File.WriteAllBytes(path, File.ReadAllBytes(next));
                File.WriteAllBytes(next, bytes);
                break;
            default:
                throw new ArgumentException(how);
        }
    }
}
