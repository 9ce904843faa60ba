using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>What counts as received where the same is held twice, or what is held has rotted.</summary>
public sealed class ReceivedWalTests : IAsyncLifetime
{
    SmallRepository _small = null!;
    Lineage _lineage = null!;

    WalSpool Spool => new(Path.Combine(_small.Directory, "spool"), SmallRepository.Identity.SegmentSize);

    string Root => Path.Combine(_small.Directory, $"{SmallRepository.Identity.SystemId}");

    public async ValueTask InitializeAsync()
    {
        _small = await SmallRepository.CreateAsync();
        _lineage = (await Repository.OpenAsync(_small.Directory, default)).Current!;
    }

    public ValueTask DisposeAsync()
    {
        _small.Dispose();
        return default;
    }

    [Theory]
    [InlineData(-1, WalPlace.Partial)]
    [InlineData(0, WalPlace.Spool)]
    [InlineData(1, WalPlace.Spool)]
    public async Task Of_a_segment_that_is_incomplete_in_the_spool_and_in_the_repository_the_longer_counts(int longer, WalPlace place)
    {
        Directory.CreateDirectory(Spool.Directory);
        byte[] bytes = [.. SmallRepository.PartialBytes, 7];
        await File.WriteAllBytesAsync(Spool.PathOf(SmallRepository.LastSegment), bytes[..(SmallRepository.PartialBytes.Length + longer)]);

        var received = await ReceivedWal.ListAsync(_lineage.Wal, Spool, default);
        Assert.True(received.TryGet(SmallRepository.LastSegment, out var segment));
        Assert.Equal(place, segment.Place);

        // One that cannot be read has no length.
        await HurtAsync($"wal/{$"{SmallRepository.LastSegment}"[..16]}/{SmallRepository.LastSegment}.partial");
        received = await ReceivedWal.ListAsync(_lineage.Wal, Spool, default);
        Assert.True(received.TryGet(SmallRepository.LastSegment, out segment));
        Assert.Equal(WalPlace.Spool, segment.Place);
    }

    [Fact]
    public async Task A_history_that_has_rotted_hides_nothing_but_what_leads_to_its_timeline()
    {
        await HurtAsync("wal/history/00000002");
        var received = await ReceivedWal.ListAsync(_lineage.Wal, Spool, default);
        Assert.Contains(received.Notes, static n => n.Contains("wal/history/00000002", StringComparison.Ordinal));
        var backups = await _lineage.Backups.ListAsync(default);
        Assert.Equal(new(1), PresentTimeline.Of(received, backups, null).History.Timeline);

        var there = PresentTimeline.Of(received, backups, new(
            1, ReceiverPhase.Streaming, null, null, SmallRepository.Identity.SystemId, new(2), null, default, default, default, default, null, SmallRepository.Clock, SmallRepository.Clock));
        var refused = Assert.Throws<BarkeepException>(() => there.History);
        Assert.Equal(ErrorKind.Damaged, refused.Kind);
        Assert.Contains("put-wal takes 00000002.history", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_is_not_complete_without_a_segment_that_is_known_to_be_damaged()
    {
        var info = SmallRepository.Info(SmallRepository.First);
        Assert.Null(await WalCompletion.FindMissingAsync(_lineage, info, default));
        await _lineage.Wal.MarkDamagedAsync(SmallRepository.Segment, partial: false, "a frame's hash does not match", default);
        Assert.Equal(SmallRepository.Segment, await WalCompletion.FindMissingAsync(_lineage, info, default));
        await _lineage.Wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default);
        Assert.Null(await WalCompletion.FindMissingAsync(_lineage, info, default));
    }

    async Task HurtAsync(string name)
    {
        var path = Path.Combine(Root, name);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[3] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
    }
}
