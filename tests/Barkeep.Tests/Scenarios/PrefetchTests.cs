using Barkeep.Fetching;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Segments that are laid down before a recovering server asks for them.</summary>
public sealed class PrefetchTests
{
    const int Count = 3;

    /// <summary>A repository with segments of zeros of two timelines, and a prefetcher on it.</summary>
    sealed class Setting : IAsyncDisposable
    {
        readonly Scratch _scratch = new("prefetch");
        readonly CancellationTokenSource _stop = new();
        Task _running = Task.CompletedTask;

        public Lineage Lineage { get; private set; } = null!;

        public bool Recovers { get; set; } = true;

        public PrefetchPlace Place => new(Path.Combine(_scratch.Path, "pg_wal", "ahead"), Path.Combine(_scratch.Path, "repository"), 1);

        public static SegmentSize Size { get; } = new(1 << 20);

        public static async Task<Setting> MakeAsync()
        {
            var setting = new Setting();
            var repository = await Repository.OpenAsync(Path.Combine(setting._scratch.Path, "repository"), default);
            setting.Lineage = await repository.AdoptAsync(new(1, 15, Size), acceptNew: false, DateTimeOffset.UnixEpoch, default);
            foreach (var name in Enumerable.Range(1, 8).Select(static i => Name(1, i)).Concat(Enumerable.Range(4, 3).Select(static i => Name(2, i))))
            {
                await setting.Lineage.Wal.PutSegmentAsync(name, new MemoryStream(Content(name)), default);
            }
            return setting;
        }

        public void Start(TimeProvider? time = null) => _running = Task.Run(() => new Prefetcher(
            new(Lineage, new(Path.Combine(_scratch.Path, "spool"), Size), null), Place, Size, Count, () => Recovers, time ?? TimeProvider.System).RunAsync(_stop.Token));

        public Task EndedAsync() => _running.WaitAsync(Eventually.Deadline);

        /// <summary>Waits until exactly these segments are laid down.</summary>
        public Task<string> HasAsync(params SegmentName[] names) => Eventually.GivesAsync(
            () => string.Join(' ', Directory.EnumerateFiles(Place.Directory).Select(static f => Path.GetFileName(f)).Where(static f => f.Length == 24).Order(StringComparer.Ordinal)),
            found => found == string.Join(' ', names), $"{string.Join(' ', names)} are at hand");

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await EndedAsync();
            _stop.Dispose();
            _scratch.Dispose();
        }
    }

    static SegmentName Name(uint timeline, int number) => SegmentName.Of(new(timeline), (ulong)number, Setting.Size);

    static byte[] Content(SegmentName name)
    {
        var bytes = new byte[Setting.Size.Bytes];
        bytes[^1] = (byte)(name.Segment + (name.Timeline.Value * 16));
        return bytes;
    }

    [Fact]
    public async Task What_comes_next_is_at_hand_and_what_is_passed_goes_across_timelines_too()
    {
        await using var setting = await Setting.MakeAsync();
        setting.Place.Want(Name(1, 1));
        setting.Start();
        await setting.HasAsync(Name(1, 2), Name(1, 3), Name(1, 4));
        var destination = Path.Combine(setting.Place.Root, "RECOVERYXLOG");
        Assert.True(setting.Place.TryTake(Name(1, 2), destination));
        Assert.Equal(Content(Name(1, 2)), await File.ReadAllBytesAsync(destination));
        setting.Place.Want(Name(1, 2));
        await setting.HasAsync(Name(1, 3), Name(1, 4), Name(1, 5));

        // Another timeline: nothing of the first one is handed out for it, and it goes.
        Assert.False(setting.Place.TryTake(Name(2, 4), destination));
        setting.Place.Want(Name(2, 4));
        await setting.HasAsync(Name(2, 5), Name(2, 6));
        Assert.True(setting.Place.TryTake(Name(2, 5), destination));
        Assert.Equal(Content(Name(2, 5)), await File.ReadAllBytesAsync(destination));
        File.Delete(destination);
    }

    [Fact]
    public async Task What_another_process_has_left_is_never_handed_out()
    {
        await using var setting = await Setting.MakeAsync();
        setting.Place.Want(Name(1, 1));
        await File.WriteAllBytesAsync(Path.Combine(setting.Place.Directory, $"{Name(1, 3)}"), new byte[Setting.Size.Bytes]);
        var destination = Path.Combine(setting.Place.Root, "RECOVERYXLOG");
        Assert.False(setting.Place.TryTake(Name(1, 3), destination));
        setting.Start();
        await setting.HasAsync(Name(1, 2), Name(1, 3), Name(1, 4));
        Assert.True(setting.Place.TryTake(Name(1, 3), destination));
        Assert.Equal(Content(Name(1, 3)), await File.ReadAllBytesAsync(destination));
        File.Delete(destination);

        // Another repository's are elsewhere, and another cluster's.
        Assert.NotEqual(setting.Place.Directory, new PrefetchPlace(setting.Place.Root, "/elsewhere", 1).Directory);
        Assert.NotEqual(setting.Place.Directory, new PrefetchPlace(setting.Place.Root, Path.GetDirectoryName(setting.Place.Root)!, 2).Directory);
    }

    [Fact]
    public async Task A_damaged_segment_is_not_laid_down()
    {
        await using var setting = await Setting.MakeAsync();
        var path = Directory.EnumerateFiles(Path.GetDirectoryName(Path.GetDirectoryName(setting.Place.Root))!, $"{Name(1, 3)}", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^30] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        setting.Place.Want(Name(1, 1));
        setting.Start();
        await setting.HasAsync(Name(1, 2));
        setting.Place.Want(Name(1, 3));
        await setting.HasAsync(Name(1, 4), Name(1, 5), Name(1, 6));
    }

    [Fact]
    public async Task It_ends_when_the_server_has_recovered_and_leaves_nothing()
    {
        await using var setting = await Setting.MakeAsync();
        setting.Place.Want(Name(1, 1));
        setting.Start(new Later(TimeSpan.FromSeconds(30)));
        await Eventually.IsTrueAsync(() => setting.Place.IsServed, "it works");
        setting.Recovers = false;
        await setting.EndedAsync();
        Assert.False(Directory.Exists(setting.Place.Root));
    }

    /// <summary>A clock ahead of the files' times, as if nobody had asked for a while.</summary>
    sealed class Later(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + by;
    }
}
