using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class TablespaceCreationTests
{
    static readonly SegmentSize OneMb = new(1 << 20);

    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task R5_a_tablespace_created_after_the_backup_is_replayed_into_the_clone_and_not_into_the_live_source(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["wal_keep_size = 1GB"] });
        var clone = await source.NewDirectoryAsync("clone");
        (await source.RunAsync("pg_basebackup", "--pgdata", clone, "--checkpoint=fast", "--no-sync", "--wal-method=none")).Checked();
        var place = await source.NewDirectoryAsync("place");
        await source.SqlAsync($"CREATE TABLESPACE space LOCATION '{place}'");
        await source.SqlAsync("CREATE TABLE t TABLESPACE space AS SELECT i FROM generate_series(1, 2000) i");
        await source.SqlAsync("CREATE DATABASE d TABLESPACE space");
        await source.SqlAsync("CHECKPOINT");
        await source.SqlAsync("SELECT pg_switch_wal()");
        var before = Snapshot(place);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(source.DataDirectory, "pg_wal")))
        {
            File.Copy(file, Path.Combine(clone, "pg_wal", Path.GetFileName(file)));
        }

        foreach (var creation in Disarm(Path.Combine(clone, "pg_wal")))
        {
            Assert.Equal(place, creation.Path);
            var inside = $"tablespaces/{creation.Oid}";
            Directory.CreateDirectory(Path.Combine(clone, inside, Directory.EnumerateDirectories(place).Select(Path.GetFileName).Single()!));
            File.CreateSymbolicLink(Path.Combine(clone, "pg_tblspc", $"{creation.Oid}"), $"../{inside}");
        }
        await File.WriteAllTextAsync(Path.Combine(clone, "recovery.signal"), "");
        await File.AppendAllTextAsync(Path.Combine(clone, "postgresql.auto.conf"), "restore_command = 'false'\n");
        await using var restored = await TestCluster.OnDirectoryAsync(clone, source);
        await restored.StartAsync();

        await Eventually.IsTrueAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()"), "the clone opens");
        Assert.Equal(2000L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
        Assert.Equal("d", await restored.ScalarAsync<string>("SELECT current_database()::text", "d"));
        await restored.SqlAsync("INSERT INTO t VALUES (1)");
        await restored.SqlAsync("CHECKPOINT");
        Assert.Equal(before, Snapshot(place));
        await restored.SqlAsync("DROP DATABASE d");
        await restored.SqlAsync("DROP TABLE t");
        await restored.SqlAsync("CHECKPOINT");
        await restored.SqlAsync("DROP TABLESPACE space");
        Assert.Equal(before, Snapshot(place));
        Assert.Equal(2000L, await source.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    static List<TablespaceCreation> Disarm(string walDirectory)
    {
        var files = Directory.EnumerateFiles(walDirectory).Where(file => SegmentName.TryParse(Path.GetFileName(file), out _)).Order(StringComparer.Ordinal).ToList();
        Assert.True(SegmentName.TryParse(Path.GetFileName(files[0]), out var first));
        var walker = new RecordWalker(first.Start(OneMb), TimelineHistory.Initial(first.Timeline), OneMb, null);
        var creations = new TablespaceCreations();
        foreach (var file in files)
        {
            walker.Append(File.ReadAllBytes(file), ref creations);
        }
        foreach (var patch in creations.All.SelectMany(creation => creation.Disarm(OneMb)))
        {
            using var file = File.OpenHandle(Path.Combine(walDirectory, SegmentName.Containing(first.Timeline, patch.Position, OneMb).ToString()), access: FileAccess.Write);
            RandomAccess.Write(file, [patch.Value], OneMb.OffsetOf(patch.Position));
        }
        return creations.All;
    }

    static List<string> Snapshot(string directory) =>
        [.. new DirectoryInfo(directory).EnumerateFileSystemInfos("*", SearchOption.AllDirectories).OrderBy(info => info.FullName, StringComparer.Ordinal)
            .Select(info => $"{info.FullName} {info.LastWriteTimeUtc:O} {(info as FileInfo)?.Length}")];
}
