using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class DurableTests : IDisposable
{
    readonly string _directory = RigRoot.NewDirectory("durable");

    [Fact]
    public async Task A_replaced_file_is_the_old_one_or_the_new_one_at_every_moment()
    {
        var path = Path.Combine(_directory, "state.json");
        Durable.Replace(path, new byte[1000]);
        var stop = false;
        var reader = Task.Run(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                var seen = File.ReadAllBytes(path);
                Assert.True(seen.Length == 1000 && seen.All(b => b == seen[0]), $"{seen.Length} bytes, torn");
            }
        });
        for (var i = 0; i < 200; i++)
        {
            Durable.Replace(path, Enumerable.Repeat((byte)i, 1000).ToArray());
        }
        Volatile.Write(ref stop, true);
        await reader;
        Assert.Equal([path], Directory.EnumerateFiles(_directory));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_file_that_cannot_be_laid_down_whole_leaves_nothing_whatever_the_reason()
    {
        var path = Path.Combine(_directory, "segment");
        File.WriteAllText(path, "old");
        Assert.Throws<InvalidOperationException>(() => Durable.LayDown(path, static _ => throw new InvalidOperationException()));
        Assert.Equal(ErrorKind.DiskFull, Assert.Throws<BarkeepException>(() => Durable.LayDown(path, static _ => throw new IOException("full", Errno.NoSpace))).Kind);
        Assert.Equal("old", File.ReadAllText(path));
        Durable.LayDown(path, static file => file.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([path], Directory.EnumerateFiles(_directory));

        // Its name is taken by a directory.
        var directory = Path.Combine(_directory, "directory");
        Directory.CreateDirectory(directory);
        Assert.Throws<BarkeepException>(() => Durable.LayDown(directory, static file => file.Write("new"u8)));
        Assert.Throws<BarkeepException>(() => Durable.Replace(directory, "new"u8));
        Assert.Equal([path], Directory.EnumerateFiles(_directory));
        Assert.Contains("none/file", Assert.Throws<BarkeepException>(() => Durable.LayDown(Path.Combine(_directory, "none/file"), static file => file.Write("new"u8))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Publishing_never_replaces()
    {
        var (one, two, name) = (Path.Combine(_directory, "1"), Path.Combine(_directory, "2"), Path.Combine(_directory, "name"));
        File.WriteAllText(one, "one");
        File.WriteAllText(two, "two");
        Assert.True(Durable.Publish(one, name));
        Assert.False(Durable.Publish(two, name));
        Assert.Equal("one", File.ReadAllText(name));
        Assert.Equal("two", File.ReadAllText(two));
        File.CreateSymbolicLink(Path.Combine(_directory, "link"), "/nowhere");
        Assert.False(Durable.Publish(two, Path.Combine(_directory, "link")));
    }

    [Fact]
    public void A_path_below_a_file_is_an_error_that_names_it()
    {
        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<BarkeepException>(() => Durable.CreateDirectory(Path.Combine(file, "a/b")));
        Assert.Equal(ErrorKind.Storage, error.Kind);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Throws<BarkeepException>(() => Durable.FlushDirectory(Path.Combine(_directory, "none")));
        // On every processor: the flag that asks for a directory has two values.
        Assert.EndsWith("Not a directory", Assert.Throws<BarkeepException>(() => Durable.FlushDirectory(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData(23907533, "22.8 MiB")]
    [InlineData(370_000_000_000, "344.6 GiB")]
    [InlineData(-2048, "-2.0 KiB")]
    public void Sizes_are_printed_as_people_read_them(long bytes, string text) => Assert.Equal(text, new ByteSize(bytes).ToString());

    [Fact]
    public void A_full_disk_has_its_own_kind_and_other_failures_of_a_disk_say_what_to_do()
    {
        var full = new IOException("No space left on device", Errno.NoSpace);
        Assert.Equal(ErrorKind.DiskFull, Errno.From(full, "writing").Kind);
        Assert.Equal(ErrorKind.Storage, Errno.From(new IOException("Input/output error", 5), "writing").Kind);
        Assert.Contains("dmesg", Errno.From(new IOException("Input/output error", Errno.InputOutput), "writing").Line, StringComparison.Ordinal);
        Assert.Contains("writable", Errno.From(new IOException("Read-only file system", Errno.ReadOnly), "writing").Line, StringComparison.Ordinal);
        Assert.Contains("this runs as uid ", Errno.From(new UnauthorizedAccessException("no"), "writing").Line, StringComparison.Ordinal);
        // .NET numbers its own classes as Windows does: 3 is ESRCH here.
        Assert.Contains("writing: No such file or directory (look whether the path is right", Errno.From(new DirectoryNotFoundException("gone"), "writing").Line, StringComparison.Ordinal);
        Assert.Equal("what (do this)", new BarkeepException(ErrorKind.Failed, "what", "do this").Line);
    }

    public void Dispose() => RigRoot.Remove(_directory);
}
