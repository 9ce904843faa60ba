using Barkeep.Common;
using Barkeep.Fetching;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Fetching;

/// <summary>Where WAL ends, and where it only is not here.</summary>
public sealed class WalFetchTests : IAsyncLifetime
{
    SmallRepository _small = null!;
    Lineage _lineage = null!;

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

    WalFetch Fetch => new(_lineage, new(Path.Combine(_small.Directory, "spool"), SmallRepository.Identity.SegmentSize), null);

    static WalFileName Name(string text) => WalFileName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    // Timeline 2 left timeline 1 within its segment 30.
    Task<bool> PutChildAsync() => _lineage.Wal.PutSegmentAsync(new(new(2), 0, 0x31), new MemoryStream(SmallRepository.SegmentBytes), default);

    [Theory]
    [InlineData("000000010000000000000003", true)]
    [InlineData("000000010000000000000003", false)]
    [InlineData("000000010000000000000004", false)]
    [InlineData("00000001000000000000002F", false)]
    public async Task WAL_does_not_end_before_the_point_at_which_a_timeline_that_is_here_branched_off(string name, bool incomplete)
    {
        await PutChildAsync();
        var refused = await Assert.ThrowsAsync<BarkeepException>(() => Fetch.TryGetAsync(Name(name), incomplete, default));
        Assert.Equal(ErrorKind.WalGap, refused.Kind);
        Assert.Contains("went on as timeline 2", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("000000010000000000000030")]
    [InlineData("000000010000000000000031")]
    [InlineData("000000020000000000000032")]
    public async Task WAL_ends_where_a_timeline_was_left_and_behind_what_is_here(string name)
    {
        await PutChildAsync();
        Assert.Null(await Fetch.TryGetAsync(Name(name), incomplete: true, default));
    }

    [Fact]
    public async Task A_timeline_of_which_no_WAL_is_here_does_not_go_on_from_another() =>
        Assert.Null(await Fetch.TryGetAsync(Name("000000010000000000000004"), incomplete: true, default));
}
