using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Backups;

/// <summary>Manifests that cannot be read keep everything from going, and say how to get out of that.</summary>
public sealed class DamagedManifestTests : IDisposable
{
    static readonly ServerName Server = ServerName.Parse("montagu");

    readonly string _home = RigRoot.NewDirectory("home");

    Locations Locations => new(_home, Path.Combine(_home, "restore"), Path.Combine(_home, "config"));

    public void Dispose() => RigRoot.Remove(_home);

    [Fact]
    public async Task It_names_the_object_and_the_way_out_as_long_as_it_is_damaged()
    {
        using var small = await SmallRepository.CreateAsync();
        var collector = await CollectorAsync(small);
        Flip(small, SmallRepository.First);
        var result = await collector.RunAsync(Collector.DefaultBudget, default);
        Assert.Equal(ErrorKind.Damaged, result.Hold?.Kind);
        foreach (var told in (string?[])[result.Hold!.Reason, await collector.FindDamageAsync(default)])
        {
            Assert.Contains($"backups/{SmallRepository.First}/manifest", told, StringComparison.Ordinal);
            Assert.Contains($"barman delete montagu {SmallRepository.First}", told, StringComparison.Ordinal);
        }
        // Not with all others each minute.
        Assert.False(await collector.IsDueAsync(default));

        Flip(small, SmallRepository.First);
        Assert.Null(await collector.FindDamageAsync(default));
        Assert.True(await collector.IsDueAsync(default));
        Assert.Null((await collector.RunAsync(Collector.DefaultBudget, default)).Hold);
        Assert.False(await collector.IsDueAsync(default));
    }

    [Fact]
    public async Task Of_two_that_are_damaged_each_can_be_deleted_and_a_sound_one_cannot_until_then()
    {
        using var small = await SmallRepository.CreateAsync();
        var collector = await CollectorAsync(small);
        var repository = await Repository.OpenAsync(small.Directory, default);
        var deletion = new BackupDeletion(repository, Server, Locations, TimeProvider.System);
        Flip(small, SmallRepository.First);
        var refused = await Assert.ThrowsAsync<BarkeepException>(() => deletion.RunAsync(SmallRepository.Second, default));
        Assert.Equal(ErrorKind.Damaged, refused.Kind);
        Assert.NotNull(await collector.FindDamageAsync(default));

        Flip(small, SmallRepository.Second);
        var packs = await repository.Current!.Packs.ListAsync(default);
        var first = await deletion.RunAsync(SmallRepository.Second, default);
        Assert.Equal([SmallRepository.Second], first.Backups);
        Assert.Equal(ErrorKind.Damaged, first.Hold?.Kind);
        Assert.Equal(packs, await repository.Current.Packs.ListAsync(default));
        var second = await deletion.RunAsync(SmallRepository.First, default);
        Assert.Equal([SmallRepository.First], second.Backups);
        Assert.Null(second.Hold);
        Assert.Null(await collector.FindDamageAsync(default));
        Assert.Empty(await repository.Current.Packs.ListAsync(default));
    }

    async Task<Collector> CollectorAsync(SmallRepository small)
    {
        Directory.CreateDirectory(Locations.ServerDirectory(Server));
        return new(await Repository.OpenAsync(small.Directory, default), Server, Locations);
    }

    // Behind its head, which listings read.
    static void Flip(SmallRepository small, BackupId backup)
    {
        var path = Path.Combine(small.Directory, $"{SmallRepository.Identity.SystemId}/backups/{backup}/manifest");
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
    }
}
