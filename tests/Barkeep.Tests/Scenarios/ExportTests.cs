using System.Formats.Tar;
using System.IO.Hashing;
using System.Text.Json.Nodes;
using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Verification;
using Barkeep.Wal;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class ExportTests(ExportTests.Exported exported) : IClassFixture<ExportTests.Exported>
{
    static readonly ServerName Server = ServerName.Parse(HandMadeBackup.Server);

    [Theory]
    [InlineData(15, "none", ".tar")]
    [InlineData(18, "zstd", ".tar.zst")]
    [InlineData(13, "gzip", ".tar.gz")]
    public async Task An_exported_backup_is_a_data_directory_that_a_stock_server_starts_on(int version, string compression, string suffix)
    {
        await using var server = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["archive_mode = on", "archive_command = 'false'"] });
        using var backup = new HandMadeBackup(server);
        var id = await TakeAsync(server, backup);
        var rows = await RowDigest.TakeAsync(server);
        await server.SqlAsync("INSERT INTO t VALUES (0, 'later')");

        using var scratch = new Scratch("export");
        var result = await ExportAsync(backup.Locations, id, scratch.Path, compression);
        Assert.Equal(Path.Combine(scratch.Path, $"montagu-{id}{suffix}"), result.Path);
        Assert.Equal([result.Path], Directory.EnumerateFileSystemEntries(scratch.Path));

        using var target = new Scratch("untarred");
        (await Command.RunAsync("tar", "--extract", compression == "zstd" ? "--zstd" : compression == "gzip" ? "--gzip" : "--verbose", "--file", result.Path, "--directory", target.Path)).Checked();
        await using var restored = await TestCluster.OnDirectoryAsync(target.Path, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
        // It cannot disturb the original.
        Assert.Equal("off", await restored.ScalarAsync<string>("SHOW archive_mode"));
        Assert.Equal(2, await restored.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
    }

    [Fact]
    public async Task An_import_into_another_installation_gives_the_same_backup_which_is_sound_and_restores_to_the_same()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        var id = await TakeAsync(server, backup);
        var rows = await RowDigest.TakeAsync(server);
        using var scratch = new Scratch("export");
        var tar = (await ExportAsync(backup.Locations, id, scratch.Path, "zstd")).Path;

        using var home = new Scratch("elsewhere");
        var elsewhere = new Locations(home.Path, Path.Combine(home.Path, "restore"), Path.Combine(home.Path, "config"));
        var info = await ImportAsync(elsewhere, tar);
        var (here, there) = (await LineageAsync(backup.Locations), await LineageAsync(elsewhere));
        var imported = (await there.Backups.TryGetAsync(id, default))!;
        Assert.Equal(BackupState.Done, imported.State);
        Assert.Equal(KeepTarget.Standalone, imported.Keep);
        await AssertSameAsync(here, there, id);
        Assert.Equal(id.ToString(), info.BackupId);
        foreach (var segment in await there.Wal.ListSegmentsAsync(default))
        {
            Assert.Equal(await SegmentAsync(here, segment), await SegmentAsync(there, segment));
        }
        var verified = await new BackupVerification(there, new(Path.Combine(home.Path, "none"), there.Identity.SegmentSize), null, 2, null).RunAsync([id], default);
        Assert.Empty(verified.Damage);

        using var target = new Scratch("target");
        await RestoreJob.RunAsync(new() { Locations = elsewhere, Server = Server, Target = target.Path, Backup = id }, null, default);
        await using var restored = await TestCluster.OnDirectoryAsync(target.Path, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
    }

    [Fact]
    public async Task A_backup_that_was_deleted_while_others_share_its_packs_can_be_imported_where_it_was()
    {
        using var scratch = new Scratch("home");
        var (id, locations) = (exported.Backup, exported.Locations with { Home = scratch.Path });
        (await Command.RunAsync("cp", "--recursive", $"{exported.Locations.Home}/.", scratch.Path)).Checked();
        var lineage = await LineageAsync(locations);
        var manifest = await lineage.Backups.ReadManifestAsync(id, default);

        var again = await Assert.ThrowsAsync<BarkeepException>(() => ImportAsync(locations, exported.Tar));
        Assert.Equal(ErrorKind.BackupUnusable, again.Kind);
        await lineage.Backups.RemoveAsync(id, default);
        await ImportAsync(locations, exported.Tar);
        var imported = await lineage.Backups.ReadManifestAsync(id, default);
        Assert.Empty(imported.Packs.Intersect(manifest.Packs));
        Assert.Empty((await new BackupVerification(lineage, new(Path.Combine(scratch.Path, "none"), lineage.Identity.SegmentSize), null, 2, null).RunAsync([id], default)).Damage);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("flip data")]
    [InlineData("flip wal")]
    [InlineData("flip head")]
    [InlineData("flip sum")]
    [InlineData("missing file")]
    [InlineData("twice")]
    [InlineData("longer")]
    [InlineData("strange file")]
    [InlineData("parent path")]
    [InlineData("absolute path")]
    [InlineData("hard link")]
    [InlineData("device")]
    [InlineData("link elsewhere")]
    [InlineData("other first member")]
    [InlineData("foreign history")]
    [InlineData("foreign segments")]
    [InlineData("replaced twice")]
    public async Task A_tar_that_was_altered_is_refused_and_nothing_of_it_stays(string how)
    {
        using var scratch = new Scratch("export");
        var tar = exported.Tar;
        var altered = Path.Combine(scratch.Path, "altered.tar");
        await AlterAsync(tar, altered, how);

        using var home = new Scratch("elsewhere");
        var elsewhere = new Locations(home.Path, Path.Combine(home.Path, "restore"), Path.Combine(home.Path, "config"));
        var error = await Assert.ThrowsAsync<BarkeepException>(() => ImportAsync(elsewhere, altered));
        Assert.Contains(error.Kind, new[] { ErrorKind.Damaged, ErrorKind.HostilePath });
        var repository = await Repository.OpenAsync(elsewhere.RepositoryDirectory(Server), default);
        if (repository.Current is { } lineage)
        {
            Assert.Empty(await lineage.Backups.ListAsync(default));
            Assert.Empty(await lineage.Packs.ListAsync(default));
            Assert.Empty(await lineage.Wal.ListSegmentsAsync(default));
            Assert.Empty(await lineage.Wal.ListHistoriesAsync(default));
        }
        Assert.False(File.Exists("/tmp/barkeep-hostile"));
        Assert.False(Path.Exists(Path.Combine(elsewhere.ServerDirectory(Server), "import.unfinished")));
    }

    [Fact]
    public async Task The_commands_export_and_import()
    {
        await using var bench = await CommandBench.SetUpAsync();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        (await bench.BarmanAsync("switch-wal", "--archive", "--force", "montagu")).Checked();
        var id = Assert.Single((await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);
        using var scratch = new Scratch("export");
        (await bench.BarmanAsync("export-backup", "montagu", "latest", scratch.Path, "--compression", "gzip", "--compression-level", "1")).Checked();
        var again = await bench.BarmanAsync("export-backup", "montagu", "latest", scratch.Path, "--compression", "gzip");
        Assert.Equal((int)ErrorKind.TargetNotEmpty, again.ExitCode);
        Assert.Equal(2, (await bench.BarmanAsync("export-backup", "montagu", "latest", scratch.Path, "--compression", "xz")).ExitCode);
        (await bench.BarmanAsync("delete", "montagu", id)).Checked();
        (await bench.BarmanAsync("import-backup", "montagu", Path.Combine(scratch.Path, $"montagu-{id}.tar.gz"))).Checked();
        Assert.Equal([id], (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);
        (await bench.BarmanAsync("verify-backup", "montagu", id)).Checked();
    }

    [Fact]
    public async Task An_imported_backup_that_is_too_old_for_the_retention_policy_stays_until_it_is_released()
    {
        await using var bench = await CommandBench.SetUpAsync();
        (await bench.BarmanAsync("switch-wal", "--archive", "--force", "montagu")).Checked();
        var id = Assert.Single((await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);
        using var scratch = new Scratch("export");
        (await bench.BarmanAsync("export-backup", "montagu", id, scratch.Path)).Checked();
        (await bench.BarmanAsync("delete", "montagu", id)).Checked();
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        bench.Configure(("retention_policy", "REDUNDANCY 1"));
        var imported = (await bench.BarmanAsync("import-backup", "montagu", Path.Combine(scratch.Path, $"montagu-{id}.tar"))).Checked();
        Assert.Contains($"kept until barman keep --release montagu {id}", imported.Output, StringComparison.Ordinal);
        (await bench.BarmanAsync("cron")).Checked();
        Assert.Contains(id, (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);

        (await bench.BarmanAsync("keep", "--release", "montagu", id)).Checked();
        (await bench.BarmanAsync("cron")).Checked();
        Assert.DoesNotContain(id, (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);
    }

    [Fact]
    public async Task A_backup_that_ends_where_its_timeline_was_left_takes_the_next_ones_WAL_along_and_brings_it_back()
    {
        // Taken from a standby, which ends no segment with it, and is promoted within that segment.
        await using var primary = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["wal_keep_size = 256MB"] });
        await primary.SqlAsync("CREATE TABLE t AS SELECT i, md5(i::text) AS s FROM generate_series(1, 20000) i");
        await using var standby = await primary.StartStandbyAsync("wal_keep_size = 256MB");
        using var backup = new HandMadeBackup(standby) { TakesWal = false };
        var id = await backup.TakeAsync(() => WriteAndReplayAsync(primary, standby));
        var rows = await RowDigest.TakeAsync(standby);
        await backup.ReceiveAsync(primary);
        await primary.KillAsync();
        await standby.PromoteAsync();
        await standby.SqlAsync("CHECKPOINT; SELECT pg_switch_wal()");
        await backup.ReceiveAsync(standby);

        using var scratch = new Scratch("export");
        var tar = (await ExportAsync(backup.Locations, id, scratch.Path, "none")).Path;
        using var home = new Scratch("elsewhere");
        var elsewhere = new Locations(home.Path, Path.Combine(home.Path, "restore"), Path.Combine(home.Path, "config"));
        await ImportAsync(elsewhere, tar);
        var there = await LineageAsync(elsewhere);
        var segments = await there.Wal.ListSegmentsAsync(default);
        Assert.Equal([new(1), new(2)], segments.Select(static s => s.Name.Timeline).Distinct());
        Assert.Equal([new(2)], await there.Wal.ListHistoriesAsync(default));
        foreach (var segment in segments)
        {
            Assert.Equal(await SegmentAsync(await LineageAsync(backup.Locations), segment), await SegmentAsync(there, segment));
        }

        // What came back restores, and the tar alone starts, to the same rows.
        using var target = new Scratch("target");
        await RestoreJob.RunAsync(new() { Locations = elsewhere, Server = Server, Target = target.Path, Backup = id }, null, default);
        using var untarred = new Scratch("untarred");
        (await Command.RunAsync("tar", "--extract", "--file", tar, "--directory", untarred.Path)).Checked();
        foreach (var directory in (string[])[target.Path, untarred.Path])
        {
            await using var restored = await TestCluster.OnDirectoryAsync(directory, standby);
            await restored.StartAsync();
            await restored.RecoveredAsync();
            Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(rows));
        }
    }

    static async Task WriteAndReplayAsync(TestCluster primary, TestCluster standby)
    {
        await primary.SqlAsync("INSERT INTO t SELECT i, 'meanwhile' FROM generate_series(1, 20000) i; SELECT pg_switch_wal(); INSERT INTO t VALUES (0, 'last'); CHECKPOINT");
        var written = await primary.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text");
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{written}'"), "the standby has replayed it");
        // A backup from a standby ends where that must have replayed to, which a restartpoint puts forward.
        await standby.SqlAsync("CHECKPOINT");
    }

    [Fact]
    public async Task What_an_import_that_was_cut_off_has_put_of_its_WAL_does_not_hinder_the_next_one()
    {
        using var home = new Scratch("elsewhere");
        var elsewhere = new Locations(home.Path, Path.Combine(home.Path, "restore"), Path.Combine(home.Path, "config"));
        var (here, id) = (await LineageAsync(exported.Locations), exported.Backup);
        var begin = (await here.Backups.ReadManifestAsync(id, default)).Info.BeginLsn;
        var first = (await here.Wal.ListSegmentsAsync(default)).Single(s => s.Name == SegmentName.Containing(s.Name.Timeline, begin, here.Identity.SegmentSize));
        var repository = await Repository.OpenAsync(elsewhere.RepositoryDirectory(Server), default);
        var there = await repository.AdoptAsync(here.Identity, acceptNew: false, DateTimeOffset.UnixEpoch, default);
        await there.Backups.StartAsync(id, DateTimeOffset.UnixEpoch, "test", default);
        await there.Wal.PutSegmentAsync(first.Name, new MemoryStream(await SegmentAsync(here, first)), default);
        Assert.Equal([id], await CatalogCleaning.TryRunAsync(repository, Server, elsewhere, TimeProvider.System, default));
        Assert.Equal([id], (await new BackupDeletion(repository, Server, elsewhere, TimeProvider.System).RunAsync(id, default)).Backups);
        Assert.Equal([first.Name], (await there.Wal.ListSegmentsAsync(default)).Select(static s => s.Name));

        await ImportAsync(elsewhere, exported.Tar);
        Assert.Empty((await new BackupVerification(there, new(Path.Combine(home.Path, "none"), there.Identity.SegmentSize), null, 2, null).RunAsync([id], default)).Damage);
    }

    [Fact]
    public async Task An_import_that_was_cut_off_when_it_had_kept_its_backup_leaves_one_that_can_be_deleted()
    {
        using var home = new Scratch("home");
        var locations = exported.Locations with { Home = home.Path };
        (await Command.RunAsync("cp", "--recursive", $"{exported.Locations.Home}/.", home.Path)).Checked();
        var lineage = await LineageAsync(locations);
        var id = BackupId.TryParse("20200101T000000", out var parsed) ? parsed : throw new InvalidOperationException();
        await lineage.Backups.StartAsync(id, DateTimeOffset.UnixEpoch, "test", default);
        await lineage.Backups.KeepAsync(id, KeepTarget.Standalone, DateTimeOffset.UnixEpoch, default);
        var repository = await Repository.OpenAsync(locations.RepositoryDirectory(Server), default);
        Assert.Equal([id], await CatalogCleaning.TryRunAsync(repository, Server, locations, TimeProvider.System, default));
        Assert.Null((await lineage.Backups.TryGetAsync(id, default))!.Keep);
        Assert.Equal([id], (await new BackupDeletion(repository, Server, locations, TimeProvider.System).RunAsync(id, default)).Backups);
    }

    /// <summary>One backup, exported.</summary>
    public sealed class Exported : IAsyncLifetime
    {
        readonly Scratch _scratch = new("exported");
        HandMadeBackup? _made;

        public string Tar { get; private set; } = "";

        public BackupId Backup { get; private set; }

        public Locations Locations => _made!.Locations;

        public async ValueTask InitializeAsync()
        {
            await using var server = await TestCluster.StartNewAsync();
            _made = new HandMadeBackup(server);
            Backup = await TakeAsync(server, _made);
            Tar = (await ExportAsync(Locations, Backup, _scratch.Path, "none")).Path;
        }

        public ValueTask DisposeAsync()
        {
            _made?.Dispose();
            _scratch.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    static async Task<BackupId> TakeAsync(TestCluster server, HandMadeBackup backup)
    {
        var place = await server.NewDirectoryAsync("elsewhere");
        var later = await server.NewDirectoryAsync("later");
        await server.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await server.SqlAsync("CREATE TABLE t (i int, s text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i; CREATE TABLE far TABLESPACE elsewhere AS SELECT * FROM t");
        // A tablespace that is made while the backup runs: its record in the WAL is disarmed in a restore, and must come back.
        var id = await backup.TakeAsync(async () =>
        {
            await server.SqlAsync($"CREATE TABLESPACE later LOCATION '{later}'");
            await server.SqlAsync("CREATE TABLE late TABLESPACE later AS SELECT * FROM t WHERE i < 100");
        });
        await server.SqlAsync("SELECT pg_switch_wal()");
        await backup.ReceiveAsync();
        return id;
    }

    static Task<ExportResult> ExportAsync(Locations locations, BackupId id, string directory, string compression) =>
        new BackupExport(new() { Locations = locations, Server = Server, Backup = id, Directory = directory, Compression = ExportCompression.Of(compression, null) }, TimeProvider.System, null).RunAsync(default);

    static Task<BackupInfo> ImportAsync(Locations locations, string tar) => new BackupImport(Server, locations, NullLogger.Instance, TimeProvider.System).RunAsync(tar, null, default);

    static async Task<Lineage> LineageAsync(Locations locations) => (await Repository.OpenAsync(locations.RepositoryDirectory(Server), default)).Current!;

    static async Task<byte[]> SegmentAsync(Lineage lineage, StoredSegment segment)
    {
        using var bytes = new MemoryStream();
        await lineage.Wal.CopySegmentAsync(segment.Name, segment.IsPartial, bytes, default);
        return bytes.ToArray();
    }

    static async Task AssertSameAsync(Lineage here, Lineage there, BackupId id)
    {
        var (a, b) = (await here.Backups.ReadManifestAsync(id, default), await there.Backups.ReadManifestAsync(id, default));
        Assert.Equivalent(a.Info, b.Info, strict: true);
        Assert.Equal(a.Entries.Select(static e => (e.Kind, e.Path, e.Length, e.ModifiedAt, Convert.ToHexString(e.Content.Span))), b.Entries.Select(static e => (e.Kind, e.Path, e.Length, e.ModifiedAt, Convert.ToHexString(e.Content.Span))));
        foreach (var entry in a.Entries.Where(static e => e.Kind == ManifestEntryKind.File))
        {
            var (one, other) = (await Tests.Repo.SmallRepository.ContentAsync(here, a, entry.Path), await Tests.Repo.SmallRepository.ContentAsync(there, b, entry.Path));
            Assert.True(one.AsSpan().SequenceEqual(other), entry.Path);
        }
    }

    static async Task AlterAsync(string tar, string altered, string how)
    {
        if (how is "cut" or "flip head" or "flip sum")
        {
            var bytes = await File.ReadAllBytesAsync(tar);
            if (how == "cut")
            {
                bytes = bytes[..(bytes.Length / 2)];
            }
            else
            {
                bytes[how == "flip sum" ? 3 : 3000] ^= 1;
            }
            await File.WriteAllBytesAsync(altered, bytes);
            return;
        }
        await using var reader = new TarReader(File.OpenRead(tar), leaveOpen: false);
        await using var writer = new TarWriter(File.Create(altered), TarEntryFormat.Pax, leaveOpen: false);
        var hasOtherHead = how == "replaced twice" || how.StartsWith("foreign", StringComparison.Ordinal);
        if (how == "other first member")
        {
            await AddAsync(writer, "backup_label", "x");
        }
        while (await reader.GetNextEntryAsync(copyData: true) is { } entry)
        {
            if (hasOtherHead && entry.Name == "barkeep-export")
            {
                using var head = new MemoryStream();
                await entry.DataStream!.CopyToAsync(head);
                await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, entry.Name) { DataStream = new MemoryStream(OtherHead(head.ToArray(), how)) });
                continue;
            }
            if (how == "foreign segments" && entry.Name.StartsWith("pg_wal/0", StringComparison.Ordinal))
            {
                entry.Name = OnTimeline9(entry.Name);
            }
            if (entry.Name.EndsWith("/1259", StringComparison.Ordinal) || (how == "flip wal" && entry.Name.StartsWith("pg_wal/0", StringComparison.Ordinal) && entry.EntryType == TarEntryType.RegularFile))
            {
                if (how == "missing file" && entry.Name.EndsWith("/1259", StringComparison.Ordinal))
                {
                    continue;
                }
                using var content = new MemoryStream();
                await entry.DataStream!.CopyToAsync(content);
                var bytes = content.ToArray();
                if (how is "flip data" or "flip wal")
                {
                    bytes[5000] ^= 1;
                }
                if (how == "longer")
                {
                    bytes = [.. bytes, .. new byte[8192]];
                }
                for (var times = how == "twice" ? 2 : 1; times > 0; times--)
                {
                    await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, entry.Name) { DataStream = new MemoryStream(bytes) });
                }
                continue;
            }
            await writer.WriteEntryAsync(entry);
        }
        switch (how)
        {
            case "foreign history":
                await AddAsync(writer, "pg_wal/00000009.history", ForeignHistory);
                break;
            case "strange file":
                await AddAsync(writer, "base/1/strange", "x");
                break;
            case "parent path":
                await AddAsync(writer, "base/../../../../../../tmp/barkeep-hostile", "x");
                break;
            case "absolute path":
                await AddAsync(writer, "/tmp/barkeep-hostile", "x");
                break;
            case "hard link":
                await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.HardLink, "base/1/linked") { LinkName = "/etc/passwd" });
                break;
            case "device":
                await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.CharacterDevice, "base/1/null") { DeviceMajor = 1, DeviceMinor = 3 });
                break;
            case "link elsewhere":
                await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, "pg_tblspc/4711") { LinkName = "/tmp" });
                break;
        }
    }

    const string ForeignHistory = "1\t0/1000\tsomebody else's\n";

    static string OnTimeline9(string name) => name.Replace("pg_wal/00000001", "pg_wal/00000009", StringComparison.Ordinal);

    // The first member as somebody would write it who knows the format.
    static byte[] OtherHead(byte[] head, string how)
    {
        var end = Array.IndexOf(head, (byte)'\n') + 1;
        var line = System.Text.Encoding.ASCII.GetString(head, 0, end).Split(' ');
        var length = int.Parse(line[3], System.Globalization.CultureInfo.InvariantCulture);
        var record = JsonNode.Parse(head.AsSpan(end, length))!;
        if (how == "foreign history")
        {
            record["histories"]!.AsArray().Add(new JsonObject { ["timeline"] = 9, ["hash"] = Convert.ToHexStringLower(XxHash128.Hash(System.Text.Encoding.ASCII.GetBytes(ForeignHistory))) });
        }
        else if (how == "replaced twice")
        {
            record["wal"]![0]!["replaced"] = new JsonArray(new JsonArray(5000, 1), new JsonArray(5000, 1));
        }
        else
        {
            foreach (var segment in record["wal"]!.AsArray())
            {
                segment!["name"] = OnTimeline9($"pg_wal/{segment["name"]}")["pg_wal/".Length..];
            }
        }
        var payload = System.Text.Encoding.UTF8.GetBytes(record.ToJsonString());
        byte[] altered =
        [
            .. System.Text.Encoding.ASCII.GetBytes($"barkeep export {line[2]} {payload.Length} {Convert.ToHexStringLower(XxHash128.Hash(payload))}\n"),
            .. payload, .. head.AsSpan(end + length, head.Length - end - length - 16),
        ];
        return [.. altered, .. XxHash128.Hash(altered)];
    }

    static async Task AddAsync(TarWriter writer, string name, string content) =>
        await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(System.Text.Encoding.ASCII.GetBytes(content)) });
}
