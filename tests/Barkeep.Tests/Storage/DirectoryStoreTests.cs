using Barkeep.Common;
using Barkeep.Storage;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Storage;

public sealed class DirectoryStoreTests : IDisposable
{
    readonly DirectoryStore _store = new(RigRoot.NewDirectory("store"));

    [Fact]
    public async Task Of_eight_writers_of_one_name_one_wins_and_its_bytes_stay()
    {
        for (var round = 0; round < 30; round++)
        {
            var name = $"race/{round}";
            var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
                (Writer: writer, Won: await _store.PutAsync(name, Enumerable.Repeat((byte)writer, 1000).ToArray(), default)))));
            var winner = Assert.Single(results, r => r.Won).Writer;
            Assert.Equal(Enumerable.Repeat((byte)winner, 1000), await _store.TryGetAsync(name, 1000, default));
        }
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_store.Root, "tmp")));
    }

    [Fact]
    public async Task Directories_may_come_and_go_while_others_list()
    {
        await _store.PutAsync("wal/stays/0", new byte[1], default);
        using var ended = new CancellationTokenSource();
        var changing = Task.Run(() =>
        {
            for (var i = 0; !ended.IsCancellationRequested; i++)
            {
                var directory = Directory.CreateDirectory(Path.Combine(_store.Root, "wal", $"{i % 50}")).FullName;
                File.WriteAllBytes(Path.Combine(directory, "1"), [1]);
                Directory.Delete(Path.Combine(_store.Root, "wal", $"{i % 50}"), recursive: true);
            }
        });
        for (var i = 0; i < 3000; i++)
        {
            Assert.Contains(new StoredObject("wal/stays/0", 1), await _store.ListAsync("wal/", default));
            Assert.Contains("wal/stays/0", await _store.ListNamesAsync("wal/", default));
        }
        await ended.CancelAsync();
        await changing;
    }

    [Fact]
    public async Task An_object_is_there_whole_once_it_is_published_and_not_at_all_before()
    {
        using (var writer = await _store.CreateAsync("a/b", default))
        {
            await writer.WriteAsync(new byte[10], default);
            Assert.False(await _store.ExistsAsync("a/b", default));
            Assert.Empty(await _store.ListAsync("a/", default));
            Assert.True(await writer.PublishAsync(default));
            // Its writer has not let go of it yet.
            Assert.Equal(10, (await _store.TryGetAsync("a/b", 10, default))!.Length);
        }
        Assert.Equal([new StoredObject("a/b", 10)], await _store.ListAsync("a/", default));
        await _store.DeleteAsync("a/b", default);
        await _store.DeleteAsync("a/b", default);
        await _store.DeleteAsync("never/was", default);
        Assert.Null(await _store.TryOpenAsync("a/b", default));
    }

    [Fact]
    public async Task A_dropped_writer_leaves_nothing()
    {
        using (var writer = await _store.CreateAsync("a/b", default))
        {
            await writer.WriteAsync(new byte[10], default);
        }
        Assert.Empty(Directory.EnumerateFiles(_store.Root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task What_a_crash_left_is_swept_and_what_is_being_written_is_not()
    {
        using var living = await _store.CreateAsync("a/living", default);
        await living.WriteAsync(new byte[10], default);
        var left = Path.Combine(_store.Root, "tmp/left-by-a-crash");
        await File.WriteAllTextAsync(left, "half an obj");

        Assert.Equal(1, _store.SweepUnfinished());
        Assert.False(File.Exists(left));
        Assert.True(await living.PublishAsync(default));
        Assert.Equal(0, _store.SweepUnfinished());
        Assert.Equal(10, (await _store.TryGetAsync("a/living", 10, default))!.Length);
    }

    [Fact]
    public async Task Sweeping_all_the_time_takes_nothing_from_writers()
    {
        using var stop = new CancellationTokenSource();
        var sweeper = Task.Run(() =>
        {
            var swept = 0;
            while (!stop.IsCancellationRequested)
            {
                swept += _store.SweepUnfinished();
            }
            return swept;
        });
        await Parallel.ForAsync(0, 400, async (i, _) => Assert.True(await _store.PutAsync($"many/{i}", new byte[100], default)));
        await stop.CancelAsync();
        await sweeper;
        Assert.Equal(400, (await _store.ListAsync("many/", default)).Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a//b")]
    [InlineData("../a")]
    [InlineData("a/../../b")]
    [InlineData("/etc/passwd")]
    [InlineData("a/.")]
    [InlineData("a b")]
    [InlineData("a\0b")]
    public async Task A_name_that_is_none_is_refused(string name)
    {
        var error = await Assert.ThrowsAsync<BarkeepException>(async () => await _store.PutAsync(name, new byte[1], default));
        Assert.Equal(ErrorKind.HostilePath, error.Kind);
    }

    [Fact]
    public async Task Files_that_are_no_objects_do_not_disturb_a_listing()
    {
        await _store.PutAsync("a/one", new byte[1], default);
        await File.WriteAllTextAsync(Path.Combine(_store.Root, "a/one~ (copy)"), "x");
        Assert.Equal("a/one", Assert.Single(await _store.ListAsync("a/", default)).Name);
    }

    [Fact]
    public async Task A_range_beyond_the_end_is_damage_and_a_missing_object_is_named()
    {
        await _store.PutAsync("a/one", new byte[100], default);
        using var reader = await _store.OpenAsync("a/one", default);
        var error = await Assert.ThrowsAsync<BarkeepException>(async () => await reader.ReadAsync(50, new byte[51], default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        error = await Assert.ThrowsAsync<BarkeepException>(async () => await _store.TryGetAsync("a/one", 99, default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        error = await Assert.ThrowsAsync<BarkeepException>(async () => await _store.OpenAsync("a/two", default));
        Assert.Equal(ErrorKind.ObjectMissing, error.Kind);
        Assert.Contains("a/two", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_is_said_to_be_full_and_leaves_nothing()
    {
        await using var disk = await LoopDisk.CreateAsync(8);
        var store = new DirectoryStore(Path.Combine(disk.MountPoint, "repository"));
        await store.PutAsync("a/small", new byte[10], default);
        var error = await Assert.ThrowsAsync<BarkeepException>(async () => await store.PutAsync("a/large", new byte[16 << 20], default));
        Assert.Equal(ErrorKind.DiskFull, error.Kind);
        Assert.False(await store.ExistsAsync("a/large", default));
        Assert.True(await store.PutAsync("a/next", new byte[10], default));
    }

    [Fact]
    public async Task A_read_only_filesystem_is_an_error_that_names_the_object()
    {
        await using var disk = await LoopDisk.CreateAsync(8);
        var store = new DirectoryStore(Path.Combine(disk.MountPoint, "repository"));
        await store.PutAsync("a/one", new byte[10], default);
        await disk.RemountAsync(readOnly: true);
        var error = await Assert.ThrowsAsync<BarkeepException>(async () => await store.PutAsync("a/two", new byte[10], default));
        Assert.Equal(ErrorKind.Storage, error.Kind);
        Assert.Contains("a/two", error.Message, StringComparison.Ordinal);
        Assert.Equal(10, (await store.TryGetAsync("a/one", 10, default))!.Length);
    }

    public void Dispose() => RigRoot.Remove(_store.Root);
}
