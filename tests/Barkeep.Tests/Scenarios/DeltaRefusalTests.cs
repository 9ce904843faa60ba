using System.Diagnostics;
using Barkeep.Common;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What a delta restore does not write over, and leaves as it was.</summary>
public sealed class DeltaRefusalTests(DeltaCluster cluster, RestorableCluster other)
{
    [Fact]
    public async Task R1_a_directory_that_is_no_copy_of_a_cluster_is_refused()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("home");
        await File.WriteAllTextAsync(Path.Combine(scratch.Path, "thesis"), "years of work");
        Directory.CreateDirectory(Path.Combine(scratch.Path, "base/1"));
        await RefusedAsync(ErrorKind.TargetNotEmpty, "neither a copy of the cluster", source.Into(scratch.Path));
    }

    [Fact]
    public async Task R1_another_clusters_directory_is_refused_finished_or_not()
    {
        var (source, stranger) = (await cluster.GetAsync(), await other.GetAsync());
        using var scratch = new Scratch("target");
        await RestoreJob.RunAsync(stranger.Into(scratch.Path), null, default);
        await RefusedAsync(ErrorKind.TargetNotEmpty, "another cluster", source.Into(scratch.Path));
        File.Delete(Path.Combine(scratch.Path, "global/pg_control"));
        await RefusedAsync(ErrorKind.TargetNotEmpty, "another cluster", source.Into(scratch.Path));
    }

    [Fact]
    public async Task R1_another_major_version_is_refused()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        await File.WriteAllTextAsync(Path.Combine(scratch.Path, "PG_VERSION"), "14\n");
        await RefusedAsync(ErrorKind.TargetNotEmpty, "PostgreSQL 14", source.Into(scratch.Path));
    }

    [Fact]
    public async Task R1_a_link_to_a_copy_is_refused()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var (real, link) = (Path.Combine(scratch.Path, "real"), Path.Combine(scratch.Path, "link"));
        await source.RestoreAsync(real, source.First);
        File.CreateSymbolicLink(link, real);
        await RefusedAsync(ErrorKind.TargetNotDirectory, "symbolic link", source.Into(link), real);
    }

    [Fact]
    public async Task R2_a_copy_that_a_server_runs_on_is_refused_by_whatever_path()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var (data, way) = (Path.Combine(scratch.Path, "data"), Path.Combine(scratch.Path, "way"));
        await source.RestoreAsync(data, source.Second);
        await using var server = await source.StartAsync(data);
        Directory.CreateDirectory(way);
        (await Command.RunAsync("mount", "--bind", data, way)).Checked();
        try
        {
            foreach (var path in new[] { data, way })
            {
                var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(source.Into(path), null, default));
                Assert.True(error.Kind == ErrorKind.TargetInUse, error.ToString());
            }
            File.Delete(Path.Combine(data, "postmaster.pid"));
            var hidden = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(source.Into(data), null, default));
            Assert.True(hidden.Kind == ErrorKind.TargetInUse, hidden.ToString());
            Assert.True(File.Exists(Path.Combine(data, "global/pg_control")));
            await server.KillAsync();
        }
        finally
        {
            (await Command.RunAsync("umount", "--lazy", way)).Checked();
        }
    }

    [Theory]
    [InlineData("pg_wal")]
    [InlineData("base/1")]
    [InlineData("stray")]
    public async Task R1_what_is_mounted_inside_is_refused_before_anything_is_written(string where)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var (target, disk) = (Path.Combine(scratch.Path, "data"), Directory.CreateDirectory(Path.Combine(scratch.Path, "disk")).FullName);
        await source.RestoreAsync(target, source.First);
        await File.WriteAllTextAsync(Path.Combine(disk, "precious"), "mine");
        var point = Directory.CreateDirectory(Path.Combine(target, where)).FullName;
        // Of the same filesystem, so that the device number does not tell.
        (await Command.RunAsync("mount", "--bind", disk, point)).Checked();
        try
        {
            await RefusedAsync(ErrorKind.TargetNotEmpty, "mount point", source.Into(target));
            Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(disk, "precious")));
        }
        finally
        {
            (await Command.RunAsync("umount", "--lazy", point)).Checked();
        }
        await source.DeltaAsync(target);
    }

    [Fact]
    public async Task R5_a_directory_outside_that_no_restore_into_this_target_filled_is_refused()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var (target, place, copy) = (Path.Combine(scratch.Path, "data"), Path.Combine(scratch.Path, "place"), Path.Combine(scratch.Path, "copy"));
        var mapping = new Dictionary<string, string> { ["elsewhere"] = place };
        await RestoreJob.RunAsync(source.Into(target, source.First) with { Tablespaces = mapping }, null, default);

        // A copy has links to the other's directory: writing there would hurt the other.
        (await Command.RunAsync("cp", "-a", target, copy)).Checked();
        await RefusedAsync(ErrorKind.TargetNotEmpty, "not known as a tablespace", source.Into(copy) with { Tablespaces = mapping }, target, place, copy);

        // More than a tablespace is in it.
        await File.WriteAllTextAsync(Path.Combine(place, "thesis"), "years of work");
        await RefusedAsync(ErrorKind.TargetNotEmpty, "more than a tablespace", source.Into(target) with { Tablespaces = mapping }, target, place);
        File.Delete(Path.Combine(place, "thesis"));

        // The source's own, on the same machine.
        await RefusedAsync(ErrorKind.TargetNotEmpty, "not known as a tablespace", source.Into(target) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = source.Tablespace } }, target, source.Tablespace);
        await RestoreJob.RunAsync(source.Into(target) with { Tablespaces = mapping }, null, default);
    }

    [Fact]
    public async Task A_second_restore_into_the_same_directory_is_refused_while_the_first_runs()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        using var holder = Process.Start(new ProcessStartInfo("flock", ["--no-fork", scratch.Path, "sh", "-c", "echo held; exec sleep 100"]) { RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());
            await RefusedAsync(ErrorKind.Busy, "another restore", source.Into(scratch.Path));
        }
        finally
        {
            holder.Kill();
        }
    }

    [Fact]
    public async Task A_plan_tells_what_would_be_removed_and_changes_nothing()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        var stray = Path.Combine(scratch.Path, "base/1/stray");
        await File.WriteAllTextAsync(stray, "x");
        var before = await TreeImage.TakeAsync(scratch.Path);
        var plan = await RestoreJob.PlanAsync(source.Into(scratch.Path), default);
        Assert.Contains(stray, plan.Delta!.Removed);
        Assert.True(plan.Delta.HasRecord);
        Assert.Contains(stray, plan.ToString(), StringComparison.Ordinal);
        Assert.Equal("", (await TreeImage.TakeAsync(scratch.Path)).Differences(before));
        Assert.Equal(plan.Delta.RemovedCount, (await source.DeltaAsync(scratch.Path)).Delta!.RemovedCount);
    }

    static async Task RefusedAsync(ErrorKind kind, string text, RestoreOptions options, params string[] untouched)
    {
        var before = new List<TreeImage>();
        string[] watched = untouched.Length == 0 ? [options.Target] : untouched;
        foreach (var directory in watched)
        {
            before.Add(await TreeImage.TakeAsync(directory));
        }
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.True(error.Kind == kind, error.ToString());
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
        for (var i = 0; i < watched.Length; i++)
        {
            Assert.Equal("", (await TreeImage.TakeAsync(watched[i])).Differences(before[i]));
        }
    }
}
