using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Repo;

public sealed class HistoryFileTests
{
    [Fact]
    public async Task One_that_cannot_be_read_is_put_anew_when_it_comes_again_and_a_sound_one_never_is()
    {
        using var small = await SmallRepository.CreateAsync();
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        var timeline = new TimelineId(2);
        Assert.False(await wal.PutHistoryAsync(timeline, SmallRepository.History, default));
        byte[] other = [.. SmallRepository.History, .. "# other\n"u8];
        Assert.Equal(ErrorKind.WalDiverged, (await Assert.ThrowsAsync<BarkeepException>(() => wal.PutHistoryAsync(timeline, other, default))).Kind);

        var path = Path.Combine(small.Directory, $"{SmallRepository.Identity.SystemId}/wal/history/{timeline.Hex}");
        for (var at = 0; at < new FileInfo(path).Length; at += 3)
        {
            var bytes = await File.ReadAllBytesAsync(path);
            bytes[at] ^= 1;
            await File.WriteAllBytesAsync(path, bytes);
            Assert.False(await wal.HasSoundHistoryAsync(timeline, default));
            Assert.True(await wal.PutHistoryAsync(timeline, SmallRepository.History, default), $"byte {at}");
            Assert.Equal(SmallRepository.History, await wal.TryGetHistoryFileAsync(timeline, default));
        }
    }
}
