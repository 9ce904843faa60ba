using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class RestoreTablespaceTests(RestorableCluster cluster)
{
    [Fact]
    public async Task R5_tablespaces_come_inside_and_the_originals_beside_the_live_source_are_not_touched()
    {
        var source = await cluster.GetAsync();
        var before = await DigestAsync(source.Tablespace, source.LaterTablespace);
        using var scratch = new Scratch("parent");
        var target = Path.Combine(scratch.Path, "data");

        var result = await RestoreJob.RunAsync(source.Into(target), null, default);

        var placement = Assert.Single(result.Plan.Tablespaces);
        Assert.True(placement.IsInside);
        await using (var restored = await source.StartAsync(target))
        {
            var locations = await restored.ListAsync("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> '' ORDER BY 1");
            Assert.All(locations, l => Assert.StartsWith("../tablespaces/", l, StringComparison.Ordinal));
            Assert.Equal(2, locations.Count);
            // Nor by what the clone does later.
            await restored.SqlAsync("UPDATE far SET s = 'clone'; UPDATE late SET s = 'clone'; CHECKPOINT");
            await restored.SqlAsync("DROP TABLE late");
            await restored.SqlAsync("DROP TABLESPACE later");
            await ClusterSoundness.CheckAndStopAsync(restored);
        }
        Assert.Equal(before, await DigestAsync(source.Tablespace, source.LaterTablespace));
        Assert.Contains(result.Warnings, w => w.Contains(source.LaterTablespace, StringComparison.Ordinal));
    }

    [Fact]
    public async Task R5_a_restored_directory_can_be_moved_and_then_started()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("parent");
        var parent = scratch.Path;
        var (first, second) = (Path.Combine(parent, "first"), Path.Combine(parent, "moved/away"));
        await RestoreJob.RunAsync(source.Into(first), null, default);
        Directory.CreateDirectory(Path.GetDirectoryName(second)!);
        Directory.Move(first, second);
        await using (await source.StartAsync(second))
        {
        }
        Assert.False(Directory.Exists(first));
    }

    [Fact]
    public async Task R5_a_tablespace_goes_where_it_is_mapped()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("parent");
        var parent = scratch.Path;
        var (target, place) = (Path.Combine(parent, "data"), Path.Combine(parent, "fast disk/elsewhere"));
        await RestoreJob.RunAsync(source.Into(target) with { Tablespaces = new Dictionary<string, string> { ["elsewhere"] = place } }, null, default);
        Assert.NotEmpty(Directory.EnumerateFiles(place, "*", SearchOption.AllDirectories));
        await PostgresUser.OwnAsync(place);
        await using var restored = await source.StartAsync(target);
        Assert.Contains(place, await restored.ListAsync("SELECT pg_tablespace_location(oid) FROM pg_tablespace"));
    }

    static async Task<string> DigestAsync(params string[] directories) =>
        (await Command.RunAsync("sh", ["-c", """find "$@" -printf '%p %T@ %i %s\n' | sort; find "$@" -type f -exec md5sum {} + | sort""", "sh", .. directories])).Checked().Output;
}
