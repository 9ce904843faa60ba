using System.Text;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Repositories that are newer or damaged, and directories that cannot take a restore.</summary>
public sealed class BadRepositoryTests(SetUpServer server) : IClassFixture<SetUpServer>
{
    [Fact]
    public async Task A_newer_repository_is_refused_by_every_command()
    {
        await using var rig = await server.CopyAsync();
        var format = Path.Combine(Repository(rig), "format");
        await File.WriteAllTextAsync(format, (await File.ReadAllTextAsync(format)).Replace("barkeep format 1 ", "barkeep format 2 ", StringComparison.Ordinal));
        foreach (var line in (string[])["barman list-backup montagu", "barman show-backup montagu latest", "barman backup montagu", "barman delete montagu latest",
            "barman cron", "setup-barman", "restore-last"])
        {
            await rig.RefusedAsync(ErrorKind.NewerRepository, "has version 2, and this program reads up to 1", line.Split(' '));
        }
        Assert.Equal((int)ErrorKind.NewerRepository, (await rig.RunAsync("barman", "receive-wal", "montagu")).ExitCode);
        Assert.Contains("directories: FAILED (", (await rig.RunAsync("barman", "check", "montagu")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flipped_bit_in_a_manifest_is_found_and_never_restored()
    {
        await using var rig = await server.CopyAsync();
        Flip(Path.Combine(Lineage(rig), "backups", server.Backup, "manifest"), fromEnd: 100);
        await rig.RefusedAsync(ErrorKind.Damaged, server.Backup, "barman", "recover", "montagu", server.Backup, rig.RestoreDirectory);
        await rig.RefusedAsync(ErrorKind.Damaged, server.Backup, "barman", "list-files", "montagu", server.Backup);
    }

    [Fact]
    public async Task A_flipped_bit_in_a_manifests_head_is_shown_by_list_and_check()
    {
        await using var rig = await server.CopyAsync();
        Flip(Path.Combine(Lineage(rig), "backups", server.Backup, "manifest"), fromStart: 200);
        Assert.Equal($"montagu {server.Backup} - F - DAMAGED\n", (await rig.RunAsync("barman", "list-backup", "montagu")).Checked().Output);
        var check = await rig.RunAsync("barman", "check", "montagu");
        Assert.Equal((int)ErrorKind.Failed, check.ExitCode);
        Assert.Contains($"stored backups: FAILED (backup {server.Backup}: ", check.Output, StringComparison.Ordinal);
        await rig.RefusedAsync(ErrorKind.NoUsableBackup, "montagu", "restore-last");
    }

    [Fact]
    public async Task A_flipped_bit_in_a_pack_is_found_and_the_restore_does_not_start()
    {
        await using var rig = await server.CopyAsync();
        Flip(Path.Combine(Lineage(rig), "packs", server.Backup, "0001"), fromStart: 5000);
        var result = await rig.RunAsync("restore-last");
        Assert.Equal((int)ErrorKind.Damaged, result.ExitCode);
        Assert.Contains($"packs/{server.Backup}/0001", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(rig.RestoreDirectory, "global/pg_control")));
    }

    [Fact]
    public async Task A_flipped_bit_in_the_wal_that_a_backup_needs_is_found_and_the_restore_does_not_start()
    {
        await using var rig = await server.CopyAsync();
        var details = (await rig.RunAsync("barman", "show-backup", "montagu", server.Backup)).Checked().OutputLines;
        var segment = Assert.Single(details, static l => l.Contains("Begin WAL", StringComparison.Ordinal)).Split(": ")[1];
        Flip(Path.Combine(Lineage(rig), "wal", segment[..16], segment), fromEnd: 60);
        var result = await rig.RunAsync("barman", "recover", "montagu", server.Backup, rig.RestoreDirectory);
        Assert.Equal((int)ErrorKind.Damaged, result.ExitCode);
        Assert.Contains(segment, result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(rig.RestoreDirectory, "global/pg_control")));
    }

    [Fact]
    public async Task A_restore_directory_that_is_not_empty_is_refused()
    {
        await using var rig = await server.CopyAsync();
        await File.WriteAllTextAsync(Path.Combine(rig.RestoreDirectory, "precious"), "data");
        await rig.RefusedAsync(ErrorKind.TargetNotEmpty, "precious", "restore-last");
    }

    [Fact]
    public async Task A_restore_directory_that_is_a_file_is_refused()
    {
        await using var rig = await server.CopyAsync();
        var file = Path.Combine(rig.Home, "file");
        await File.WriteAllTextAsync(file, "");
        await rig.RefusedAsync(ErrorKind.TargetNotDirectory, file, "barman", "recover", "montagu", "latest", file);
    }

    [Fact]
    public async Task A_restore_directory_that_cannot_be_written_is_refused()
    {
        await using var rig = await server.CopyAsync();
        await rig.RunAsPostgresAsync();
        await rig.RefusedAsync(ErrorKind.TargetUnwritable, "writing into /opt", "barman", "recover", "montagu", "latest", "/opt/barkeep-test");
        Assert.False(Path.Exists("/opt/barkeep-test"));
    }

    [Fact]
    public async Task A_restore_directory_with_too_little_room_is_refused_before_anything_is_written()
    {
        await using var rig = await server.CopyAsync();
        await using var disk = await LoopDisk.CreateAsync(16);
        var target = Path.Combine(disk.MountPoint, "data");
        await rig.RefusedAsync(ErrorKind.TargetTooSmall, disk.MountPoint, "barman", "recover", "montagu", "latest", target);
        Assert.False(Directory.Exists(target));
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("base/../../evil")]
    [InlineData("/etc/evil")]
    [InlineData("pg_wal/000000010000000000000001")]
    public async Task A_manifest_whose_paths_point_outside_the_target_is_refused(string path)
    {
        await using var rig = await server.CopyAsync();
        var repository = await Barkeep.Repo.Repository.OpenAsync(Repository(rig), TestContext.Current.CancellationToken);
        var backups = repository.Current!.Backups;
        Assert.True(BackupId.TryParse(server.Backup, out var good));
        var manifest = await backups.ReadManifestAsync(good, TestContext.Current.CancellationToken);
        var hostile = BackupId.Next(DateTimeOffset.Now.AddHours(1), good);
        await backups.StartAsync(hostile, DateTimeOffset.Now, "evil", TestContext.Current.CancellationToken);
        List<ManifestEntry> entries = [.. manifest.Entries, ManifestEntry.Inline(path, Encoding.ASCII.GetBytes("evil"))];
        entries.Sort(static (a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        await backups.CommitAsync(hostile, manifest with { Info = manifest.Info with { BackupId = hostile.ToString() }, Entries = entries }, TestContext.Current.CancellationToken);

        await rig.RefusedAsync(ErrorKind.HostilePath, path, "barman", "recover", "montagu", hostile.ToString(), rig.RestoreDirectory);
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.RestoreDirectory));
    }

    static string Repository(BarkeepRig rig) => Path.Combine(rig.Home, "montagu", "repository");

    static string Lineage(BarkeepRig rig) =>
        Assert.Single(Directory.EnumerateDirectories(Repository(rig)), static d => Path.GetFileName(d).All(char.IsAsciiDigit));

    static void Flip(string path, int? fromStart = null, int? fromEnd = null)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[fromStart ?? bytes.Length - fromEnd!.Value] ^= 0x10;
        File.WriteAllBytes(path, bytes);
    }
}
