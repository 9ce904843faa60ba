using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Manifests with the right hash that a friend would not write. Each would restore if its one trick were not noticed.</summary>
public sealed class HostileManifestTests(RestorableCluster cluster)
{
    static readonly Dictionary<string, Func<Manifest, Manifest>> Written = new()
    {
        // Out of the target.
        ["parent"] = m => With(m, File("../evil")),
        ["parent further down"] = m => With(m, File("base/../../evil")),
        ["parent as a directory"] = m => With(m, ManifestEntry.Directory("..")),
        ["parent at the end"] = m => With(m, ManifestEntry.Directory("base/..")),
        ["parent by an inline file"] = m => With(m, ManifestEntry.Inline("../evil", [1])),
        ["absolute file"] = m => With(m, File("/etc/cron.d/evil")),
        ["absolute directory"] = m => With(m, ManifestEntry.Directory("/evil")),
        ["absolute inline file"] = m => With(m, ManifestEntry.Inline("/evil", [1])),
        ["NUL"] = m => With(m, File("base/evil\0.conf")),
        ["line feed"] = m => With(m, File("base/evil\nfile")),
        ["empty path"] = m => With(m, File("")),
        ["empty component"] = m => With(m, File("base//evil")),
        ["dot"] = m => With(m, File("./evil")),
        ["dot at the end"] = m => With(m, ManifestEntry.Directory("base/.")),
        ["slash at the end"] = m => With(m, ManifestEntry.Directory("evil/")),
        ["component too long"] = m => With(m, File($"base/{new string('x', 256)}")),
        ["path too long"] = m => With(m, ManifestEntry.Directory(string.Join('/', Enumerable.Repeat("base", 300)))),
        // Tricks with what is there already.
        ["twice"] = m => With(m, File("PG_VERSION")),
        ["file and directory of one name"] = m => With(m, ManifestEntry.Directory("PG_VERSION")),
        ["out of order"] = m => m with { Entries = [.. m.Entries.Reverse()] },
        ["below a directory that is not there"] = m => With(m, File("nowhere/evil")),
        ["below a file"] = m => With(m, File("PG_VERSION/evil")),
        ["a file where a tablespace's link goes"] = m => Without(m, $"pg_tblspc/{m.Info.Tablespaces[0].Oid}", File($"pg_tblspc/{m.Info.Tablespaces[0].Oid}")),
        ["below a file in pg_tblspc"] = m => With(With(m, File("pg_tblspc/99999")), File("pg_tblspc/99999/evil")),
        ["a tablespace twice"] = m => m with { Info = m.Info with { Tablespaces = [.. m.Info.Tablespaces, .. m.Info.Tablespaces] } },
        ["base as a file"] = m => m with { Entries = [.. m.Entries.Where(e => !e.Path.StartsWith("base", StringComparison.Ordinal)).Append(File("base")).OrderBy(e => e.Path, StringComparer.Ordinal)] },
        ["pg_wal as a file"] = m => m with { Entries = [.. m.Entries.Where(e => !e.Path.StartsWith("pg_wal", StringComparison.Ordinal)).Append(File("pg_wal")).OrderBy(e => e.Path, StringComparer.Ordinal)] },
        // What only a restore or a server makes.
        ["postmaster.pid"] = m => With(m, File("postmaster.pid")),
        ["recovery.signal"] = m => With(m, File("recovery.signal")),
        ["standby.signal"] = m => With(m, ManifestEntry.Inline("standby.signal", [])),
        ["tablespace_map"] = m => With(m, ManifestEntry.Inline("tablespace_map", "16390 /etc\n"u8.ToArray())),
        ["WAL"] = m => With(m, File("pg_wal/000000010000000000000001")),
        ["WAL's state"] = m => With(m, ManifestEntry.Inline("pg_wal/archive_status/000000010000000000000001.ready", [])),
        ["a directory in a segment's place"] = m => With(m, ManifestEntry.Directory("pg_wal/000000010000000000000003")),
        ["the marker of an unfinished restore"] = m => With(m, File("barkeep.unfinished-restore")),
        // External files.
        ["external and relative"] = m => With(m, ManifestEntry.External("etc/pg_hba.conf", [1])),
        ["external with parent"] = m => With(m, ManifestEntry.External("/etc/../../evil", [1])),
        ["external with NUL"] = m => With(m, ManifestEntry.External("/etc/evil\0", [1])),
        // Contents that cannot be.
        ["pages beyond the pack"] = m => Change(m, "PG_VERSION", e => e with { Runs = [e.Runs[0] with { Ordinal = 250_000 }] }),
        ["pages beyond any pack"] = m => Change(m, "PG_VERSION", e => e with { Runs = [e.Runs[0] with { Ordinal = 262_144 }] }),
        ["fewer pages than bytes"] = m => Change(m, "PG_VERSION", e => e with { Length = 3 * Page.Size }),
        ["more pages than bytes"] = m => Change(m, "PG_VERSION", e => e with { Length = 0 }),
        ["a pack that is not there"] = m => m with { Packs = [.. m.Packs.Select(_ => "20201123T131251/0001")] },
        ["a pack elsewhere"] = m => m with { Packs = [.. m.Packs.Select(_ => "../../../evil/0001")] },
        ["a pack of another kind"] = m => m with { Packs = [.. m.Packs.Select(_ => "20201123T131251/..")] },
        ["no pg_control"] = m => Without(m, "global/pg_control"),
        ["a long pg_control"] = m => Change(m, "global/pg_control", e => e with { Length = 2 * Page.Size, Runs = [.. e.Runs, PageRun.Zeros(1)] }),
        ["no backup_label"] = m => Without(m, "backup_label"),
        ["another backup_label"] = m => Change(m, "backup_label", e => ManifestEntry.Inline(e.Path, Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(e.Content.Span).Replace("START WAL LOCATION: 0/", "START WAL LOCATION: 1/", StringComparison.Ordinal)))),
        ["an unreadable backup_label"] = m => Change(m, "backup_label", e => ManifestEntry.Inline(e.Path, [1, 2, 3])),
        // Properties that cannot be.
        ["another system"] = m => m with { Info = m.Info with { SystemId = "1" } },
        ["an end before the beginning"] = m => m with { Info = m.Info with { EndLsnText = "0/1" } },
        ["no position"] = m => m with { Info = m.Info with { BeginLsnText = "here" } },
        ["timeline 0"] = m => m with { Info = m.Info with { Timeline = 0 } },
        ["a segment size that is none"] = m => m with { Info = m.Info with { SegmentSize = 3 } },
        ["null"] = m => m with { Info = m.Info with { Tablespaces = null! } },
    };

    static readonly Dictionary<string, RawManifest> Raw = new()
    {
        ["an unknown kind"] = new RawManifest().Number(0).Number(1).Entry(9, 0, "base"),
        ["entries without end"] = new RawManifest().Number(0).Number(1UL << 40),
        ["as many entries as may be, and none there"] = new RawManifest().Number(0).Number(1 << 26),
        ["packs without end"] = new RawManifest().Number(ulong.MaxValue),
        ["a path of gigabytes"] = new RawManifest().Number(0).Number(1).Bytes(1, 0).Number(1UL << 33),
        ["a content of gigabytes"] = new RawManifest().Number(0).Number(1).Entry(3, 0, "evil").Number(1UL << 33),
        ["runs without end"] = new RawManifest().Number(0).Number(1).Entry(2, 0, "evil").Number(8192).Number(0).Number(1UL << 50),
        ["a file of exabytes"] = new RawManifest().Number(0).Number(1).Entry(2, 0, "evil").Number(1UL << 60).Number(0).Number(0),
        ["a run of no pages"] = new RawManifest().Number(0).Number(1).Entry(2, 0, "evil").Number(8192).Number(0).Number(1).Number(0),
        ["a run in a pack that is not named"] = new RawManifest().Number(0).Number(1).Entry(2, 0, "evil").Number(8192).Number(0).Number(1).Number(3).Number(0).Number(0),
        ["a path that is not UTF-8"] = new RawManifest().Number(0).Number(1).Entry(1, 0, [0xFF, 0xFE]),
        ["an overlong UTF-8 slash"] = new RawManifest().Number(0).Number(1).Entry(1, 0, [0x2E, 0x2E, 0xC0, 0xAF]),
        ["a path that shares more than there was"] = new RawManifest().Number(0).Number(1).Entry(1, 5, "evil"),
        ["a number without end"] = new RawManifest().Number(0).Bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
        ["bytes after the last entry"] = new RawManifest().Number(0).Number(0).Bytes(1, 2, 3),
        ["nothing at all"] = new RawManifest(),
    };

    static readonly ErrorKind[] Refusals = [ErrorKind.HostilePath, ErrorKind.Damaged, ErrorKind.ObjectMissing];

    public static TheoryData<string> WrittenTricks => [.. Written.Keys];

    public static TheoryData<string> RawTricks => [.. Raw.Keys];

    [Theory]
    [MemberData(nameof(WrittenTricks))]
    public async Task R7_a_hostile_manifest_is_refused_before_the_first_byte(string trick)
    {
        var (locations, _) = await CommitAsync(Written[trick]);
        await RefusedAsync(locations);
        RigRoot.Remove(locations.Home);
    }

    [Theory]
    [MemberData(nameof(RawTricks))]
    public async Task R7_a_manifest_with_an_impossible_body_is_refused_before_the_first_byte(string trick)
    {
        var (locations, path) = await CommitAsync(m => m);
        await Raw[trick].PutAsync(path);
        await RefusedAsync(locations);
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task R7_a_body_that_is_cut_short_or_is_no_zstd_is_refused_before_the_first_byte()
    {
        var (locations, path) = await CommitAsync(m => m);
        await RawManifest.PutBodyAsync(path, body => body[..(body.Length / 2)]);
        await RefusedAsync(locations);
        await RawManifest.PutBodyAsync(path, body => [.. Enumerable.Repeat((byte)0xAA, body.Length)]);
        await RefusedAsync(locations);
        await RawManifest.PutBodyAsync(path, _ => []);
        await RefusedAsync(locations);
    }

    [Fact]
    public async Task R7_the_same_manifest_without_a_trick_restores_and_external_files_stay_inside()
    {
        const string Outside = "/var/tmp/barkeep-test/evil/pg_hba.conf";
        var (locations, _) = await CommitAsync(m => With(m, ManifestEntry.External(Outside, [1, 2, 3])));
        using var scratch = new Scratch("target");
        var target = scratch.Path;
        await RestoreJob.RunAsync(Options(locations, target), null, default);
        Assert.True(System.IO.File.Exists(Path.Combine(target, "global/pg_control")));
        Assert.Equal([1, 2, 3], await System.IO.File.ReadAllBytesAsync(Path.Combine(target, "original-config" + Outside)));
        Assert.False(System.IO.File.Exists(Outside));
    }

    async Task RefusedAsync(Locations locations)
    {
        using var scratch = new Scratch("parent");
        var parent = scratch.Path;
        var target = Path.Combine(parent, "data");
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(Options(locations, target), null, default));
        Assert.True(Refusals.Contains(error.Kind), error.ToString());
        Assert.Empty(Directory.EnumerateFileSystemEntries(parent));
    }

    /// <summary>A copy of the repository in which the backup's manifest is another one.</summary>
    async Task<(Locations Locations, string Path)> CommitAsync(Func<Manifest, Manifest> change)
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var directory = locations.RepositoryDirectory(Server);
        var lineage = (await Repository.OpenAsync(directory, default)).Current!;
        var manifest = await lineage.Backups.ReadManifestAsync(source.Backup, default);
        var path = Path.Combine(directory, $"{lineage.Identity.SystemId}/backups/{source.Backup}/manifest");
        System.IO.File.Delete(path);
        await lineage.Backups.CommitAsync(source.Backup, change(manifest), default);
        return (locations, path);
    }

    static ServerName Server => ServerName.Parse(HandMadeBackup.Server);

    RestoreOptions Options(Locations locations, string target) => new() { Locations = locations, Server = Server, Target = target, Backup = cluster.GetAsync().Result.Backup };

    static ManifestEntry File(string path) => new() { Kind = ManifestEntryKind.File, Path = path, Length = 10, Runs = [PageRun.Zeros(1)] };

    static Manifest With(Manifest manifest, ManifestEntry entry) =>
        manifest with { Entries = [.. manifest.Entries.Append(entry).OrderBy(e => e.Path, Comparer<string>.Create(ManifestEntry.ComparePaths))] };

    static Manifest Without(Manifest manifest, string path, params IEnumerable<ManifestEntry> instead) =>
        manifest with
        {
            Entries = [.. manifest.Entries.Where(e => e.Path != path && !e.Path.StartsWith(path + "/", StringComparison.Ordinal)).Concat(instead).OrderBy(e => e.Path, Comparer<string>.Create(ManifestEntry.ComparePaths))],
        };

    static Manifest Change(Manifest manifest, string path, Func<ManifestEntry, ManifestEntry> change) =>
        manifest with { Entries = [.. manifest.Entries.Select(e => e.Path == path ? change(e) : e)] };
}
