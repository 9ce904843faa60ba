using Barkeep.Common;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoreTargetTests(RestorableCluster cluster)
{
    [Fact]
    public async Task R1_a_directory_that_is_not_empty_is_refused_and_left_as_it_is()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var target = scratch.Path;
        await File.WriteAllTextAsync(Path.Combine(target, "precious"), "mine");

        var error = await RefusedAsync(ErrorKind.TargetNotEmpty, source.Into(target));
        Assert.Contains("precious", error.Message, StringComparison.Ordinal);
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(target, "precious")));
        Assert.Single(Directory.EnumerateFileSystemEntries(target));
    }

    [Theory]
    [InlineData("montagu/new")]
    [InlineData("montagu/repository")]
    [InlineData("montagu/repository/lineages/new/data")]
    [InlineData("link/new")]
    public async Task R1_a_directory_among_backups_and_WAL_is_refused_by_whatever_path(string place)
    {
        var source = await cluster.GetAsync();
        var home = (await source.CopyAsync()).Home;
        File.CreateSymbolicLink(Path.Combine(home, "link"), Path.Combine(home, "montagu/streaming"));
        using var scratch = new Scratch("target");
        var target = Path.Combine(home, place);
        foreach (var options in new[] { source.Into(target), source.Into(target) with { IsDelta = true }, source.Into(scratch.Path) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = target } } })
        {
            var error = await RefusedAsync(ErrorKind.TargetUnwritable, options);
            Assert.Equal($"{target} is where the backups and the WAL of a server are kept", error.Message);
            Assert.Equal(ErrorKind.TargetUnwritable, (await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options, default))).Kind);
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Path));
        Assert.Equal(place == "montagu/repository", Directory.Exists(target));
        RigRoot.Remove(home);
    }

    [Fact]
    public async Task R1_a_directory_within_a_data_directory_is_refused()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("other");
        Directory.CreateDirectory(Path.Combine(scratch.Path, "global"));
        await File.WriteAllTextAsync(Path.Combine(scratch.Path, "global/pg_control"), "");
        foreach (var options in new[] { source.Into(Path.Combine(scratch.Path, "new")), source.Into(Path.Combine(scratch.Path, "base/new")) with { IsDelta = true } })
        {
            var error = await RefusedAsync(ErrorKind.TargetUnwritable, options);
            Assert.Equal($"{options.Target} lies within the data directory {scratch.Path}", error.Message);
        }
        Assert.Single(Directory.EnumerateFileSystemEntries(scratch.Path));
    }

    [Fact]
    public async Task R1_a_mount_point_with_lost_and_found_is_restored_into_and_stays_what_it_is()
    {
        var source = await cluster.GetAsync();
        await using var disk = await LoopDisk.CreateAsync(400);
        Assert.True(Directory.Exists(Path.Combine(disk.MountPoint, "lost+found")));
        var before = await InodeAsync(disk.MountPoint);

        await RestoreJob.RunAsync(source.Into(disk.MountPoint), null, default);

        Assert.Equal(before, await InodeAsync(disk.MountPoint));
        Assert.True(Directory.Exists(Path.Combine(disk.MountPoint, "lost+found")));
        (await Command.RunAsync("mountpoint", disk.MountPoint)).Checked();
        await using (await source.StartAsync(disk.MountPoint))
        {
        }
    }

    [Fact]
    public async Task R1_a_tablespace_directory_that_is_not_empty_is_refused_before_anything_is_written()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("parent");
        var (target, place) = (Path.Combine(scratch.Path, "data"), Path.Combine(scratch.Path, "place"));
        Directory.CreateDirectory(place);
        await File.WriteAllTextAsync(Path.Combine(place, "precious"), "mine");

        await RefusedAsync(ErrorKind.TargetNotEmpty, source.Into(target) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = place } });
        Assert.False(Directory.Exists(target));
        Assert.Single(Directory.EnumerateFileSystemEntries(place));
    }

    [Fact]
    public async Task R1_a_file_or_a_symbolic_link_is_refused_and_left_as_it_is()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("parent");
        var directory = scratch.Path;
        var (file, link, real) = (Path.Combine(directory, "file"), Path.Combine(directory, "link"), Path.Combine(directory, "real"));
        await File.WriteAllTextAsync(file, "mine");
        Directory.CreateDirectory(real);
        File.CreateSymbolicLink(link, real);

        await RefusedAsync(ErrorKind.TargetNotDirectory, source.Into(file));
        await RefusedAsync(ErrorKind.TargetNotDirectory, source.Into(Path.Combine(file, "below")));
        await RefusedAsync(ErrorKind.TargetNotDirectory, source.Into(link));
        Assert.Equal("mine", await File.ReadAllTextAsync(file));
        Assert.Empty(Directory.EnumerateFileSystemEntries(real));
    }

    [Fact]
    public async Task A_directory_that_cannot_be_written_is_refused()
    {
        var source = await cluster.GetAsync();
        await using var disk = await LoopDisk.CreateAsync(8);
        await disk.RemountAsync(readOnly: true);
        await RefusedAsync(ErrorKind.TargetUnwritable, source.Into(disk.MountPoint));
        await RefusedAsync(ErrorKind.TargetUnwritable, source.Into(Path.Combine(disk.MountPoint, "absent/data")));
    }

    [Fact]
    public async Task A_disk_with_too_little_room_is_refused_before_the_first_byte()
    {
        var source = await cluster.GetAsync();
        await using var disk = await LoopDisk.CreateAsync(20);
        var error = await RefusedAsync(ErrorKind.TargetTooSmall, source.Into(disk.MountPoint));
        Assert.Contains("free", error.Message, StringComparison.Ordinal);
        Assert.Equal(["lost+found"], Directory.EnumerateFileSystemEntries(disk.MountPoint).Select(Path.GetFileName));

        // A tablespace's disk counts as well.
        using var scratch = new Scratch("parent");
        var target = Path.Combine(scratch.Path, "data");
        await disk.FillAsync(leaveBytes: 100_000);
        await RefusedAsync(ErrorKind.TargetTooSmall, source.Into(target) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = Path.Combine(disk.MountPoint, "ts") } });
        Assert.False(Directory.Exists(target));
    }

    [Fact]
    public async Task R2_a_directory_that_a_server_runs_on_is_refused_and_the_server_goes_on()
    {
        var source = await cluster.GetAsync();
        var error = await RefusedAsync(ErrorKind.TargetInUse, source.Into(source.Source.DataDirectory));
        Assert.Contains($"{source.Source.Pid}", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, await source.Source.ScalarAsync<int>("SELECT 1"));
    }

    [Fact]
    public async Task R2_a_process_id_alone_is_no_running_server()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var target = scratch.Path;
        await File.WriteAllTextAsync(Path.Combine(target, "postmaster.pid"), $"{Environment.ProcessId}\n{target}\n");
        await RefusedAsync(ErrorKind.TargetNotEmpty, source.Into(target));
    }

    [Theory]
    [InlineData("elsewhere", "relative/path")]
    [InlineData("elsewhere", "{target}/inside")]
    [InlineData("elsewhere", "{target}")]
    [InlineData("nosuch", "/var/tmp/x")]
    public async Task A_tablespace_mapping_that_cannot_be_is_refused(string name, string directory)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("parent");
        var target = Path.Combine(scratch.Path, "data");
        await RefusedAsync(ErrorKind.Usage, source.Into(target) with { Tablespaces = new Dictionary<string, string> { [name] = directory.Replace("{target}", target, StringComparison.Ordinal) } });
        Assert.False(Directory.Exists(target));
    }

    static async Task<BarkeepException> RefusedAsync(ErrorKind kind, RestoreOptions options)
    {
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.True(error.Kind == kind, error.ToString());
        return error;
    }

    static async Task<string> InodeAsync(string path) => (await Command.RunAsync("stat", "--format=%d %i", path)).Checked().Output;
}
