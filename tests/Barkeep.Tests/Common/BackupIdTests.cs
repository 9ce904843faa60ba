using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class BackupIdTests
{
    [Fact]
    public async Task An_id_is_never_given_again_though_its_backup_is_deleted_within_the_second_or_the_clock_goes_back()
    {
        // Of an older version: nothing notes which ids were given.
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var given = new List<BackupId> { SmallRepository.First, SmallRepository.Second, SmallRepository.Third };
        foreach (var minutes in (int[])[5, 5, -60, -60, 5, 6])
        {
            var id = await lineage.ClaimBackupAsync(SmallRepository.Clock.AddMinutes(minutes), "test", default);
            Assert.True(id > given[^1], $"{id} after {given[^1]}");
            given.Add(id);
            await lineage.Backups.RemoveAsync(id, default);
        }
        Assert.Equal([$"{given[^1]}"], Directory.EnumerateFiles(Path.Combine(small.Directory, $"{SmallRepository.Identity.SystemId}/ids")).Select(Path.GetFileName));
    }
}
