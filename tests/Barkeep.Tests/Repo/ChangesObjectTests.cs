using System.IO.Hashing;
using Barkeep.Repo;
using Barkeep.Tests.Architecture;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using CsCheck;
using Xunit;
using ZstdSharp;

namespace Barkeep.Tests.Repo;

public sealed class ChangesObjectTests : IDisposable
{
    static readonly SegmentName Segment = new(new(1), 0, 2);
    static readonly string Golden = Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Repo/golden");

    readonly string _directory = RigRoot.NewDirectory("changes");

    string ObjectPath => Path.Combine(_directory, $"{SmallRepository.Identity.SystemId}/changes/0000000100000000/{Segment}");

    public void Dispose() => RigRoot.Remove(_directory);

    [Fact]
    public async Task Changes_of_version_2_are_still_read_and_written_to_the_byte()
    {
        var lineage = await LineageAsync();
        var changes = WithFreeSpaceMap();
        await lineage.Wal.PutChangesAsync(Segment, new(changes, IsWhole: true), default);
        Assert.Equal(await File.ReadAllBytesAsync($"{Golden}/changes-2"), await File.ReadAllBytesAsync(ObjectPath));

        var read = await lineage.Wal.TryGetChangesAsync(Segment, default);
        Assert.True(read!.IsWhole);
        Assert.Equal(DumpedChanges.Of(changes).Lines, DumpedChanges.Of(read.Changes).Lines);
        Assert.Null(read.Changes.Everything);
        Assert.False(read.Changes.DoubtsFreeSpaceMaps);
    }

    [Fact]
    public async Task Changes_of_version_1_which_told_nothing_of_free_space_maps_are_still_read()
    {
        var lineage = await LineageAsync();
        Directory.CreateDirectory(Path.GetDirectoryName(ObjectPath)!);
        File.Copy($"{Golden}/changes-1", ObjectPath);

        var read = await lineage.Wal.TryGetChangesAsync(Segment, default);
        Assert.True(read!.IsWhole);
        Assert.Equal(DumpedChanges.Of(Sample()).Lines, DumpedChanges.Of(read.Changes).Lines);
        Assert.Null(read.Changes.Everything);
        Assert.True(read.Changes.DoubtsFreeSpaceMaps);
    }

    [Fact]
    public async Task What_is_put_is_what_is_got()
    {
        var lineage = await LineageAsync();
        var forks = Gen.Select(Gen.UInt[1663, 1665], Gen.UInt[0, 3], Gen.UInt[1, 20], Gen.Int[0, 3], (t, d, r, f) => new RelationFork(t, d, r, (ForkNumber)f));
        await Gen.Select(Gen.Select(forks, Gen.UInt, Gen.Int[0, 9]).Array[0, 200], Gen.UInt.Array[0, 3], Gen.Bool, Gen.String.Null()).SampleAsync(
            async (steps, databases, isWhole, everything) =>
            {
                var changes = new BlockChanges();
                foreach (var (fork, block, what) in steps)
                {
                    var within = what < 8 ? block % 20_000 : Math.Min(block, ForkChanges.NoLimit - 1);
                    if (what == 0)
                    {
                        changes.AddFrom(fork, within);
                    }
                    else
                    {
                        changes.Add(fork, within);
                    }
                }
                databases.ToList().ForEach(d => changes.AddDatabase(1663, d));
                if (everything is not null)
                {
                    changes.AddEverything(everything);
                }
                await lineage.Wal.DeleteSegmentAsync(new(Segment, IsPartial: false, 0), default);
                await lineage.Wal.PutChangesAsync(Segment, new(changes, isWhole), default);

                var read = await lineage.Wal.TryGetChangesAsync(Segment, default);
                Assert.Equal(isWhole, read!.IsWhole);
                Assert.Equal(DumpedChanges.Of(changes).Lines, DumpedChanges.Of(read.Changes).Lines);
                Assert.Equal(everything is null, read.Changes.Everything is null);
            },
            iter: 100, threads: 1);
    }

    [Fact]
    public async Task Changes_with_any_byte_other_than_written_or_missing_or_of_another_segment_count_as_not_there()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutChangesAsync(Segment, new(Sample(), IsWhole: true), default);
        var bytes = await File.ReadAllBytesAsync(ObjectPath);
        for (var i = 0; i < bytes.Length; i++)
        {
            foreach (var bit in (byte[])[1, 16, 128])
            {
                var other = (byte[])bytes.Clone();
                other[i] ^= bit;
                await File.WriteAllBytesAsync(ObjectPath, other);
                Assert.True(await lineage.Wal.TryGetChangesAsync(Segment, default) is null, $"byte {i}, bit {bit}");
            }
            await File.WriteAllBytesAsync(ObjectPath, bytes[..i]);
            Assert.True(await lineage.Wal.TryGetChangesAsync(Segment, default) is null, $"cut at {i}");
        }
        await File.WriteAllBytesAsync(ObjectPath, [.. bytes, 0]);
        Assert.Null(await lineage.Wal.TryGetChangesAsync(Segment, default));

        await File.WriteAllBytesAsync(ObjectPath, bytes);
        Assert.NotNull(await lineage.Wal.TryGetChangesAsync(Segment, default));
        File.Copy(ObjectPath, ObjectPath[..^1] + "3");
        Assert.Null(await lineage.Wal.TryGetChangesAsync(Segment with { Segment = 3 }, default));
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0x7F })] // more databases than there can be
    [InlineData(new byte[] { 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F })] // more forks
    [InlineData(new byte[] { 0, 1, 1, 1, 1, 9, 0, 0 })] // an unknown fork
    [InlineData(new byte[] { 0, 2, 1, 1, 2, 0, 0, 0, 1, 1, 1, 0, 0, 0 })] // forks out of order
    [InlineData(new byte[] { 0, 1, 1, 1, 1, 0, 5, 9, 0 })] // more blocks than lie below the limit
    [InlineData(new byte[] { 0, 1, 1, 1, 1, 0, 5, 1, 4 })] // a block at the limit
    [InlineData(new byte[] { 0, 1, 1, 1, 1, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F })] // no block number
    [InlineData(new byte[] { 0, 1, 1, 1, 1, 0, 0, 2, 4 })] // it ends early
    [InlineData(new byte[] { 0, 0, 0 })] // bytes follow
    public async Task A_body_that_makes_no_sense_counts_as_not_there_though_its_hashes_are_right(byte[] body)
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutChangesAsync(Segment, new(Sample(), IsWhole: true), default);
        Assert.NotNull(await lineage.Wal.TryGetChangesAsync(Segment, default));
        await WriteAsync(body);
        Assert.Null(await lineage.Wal.TryGetChangesAsync(Segment, default));
    }

    [Fact]
    public async Task A_small_object_does_not_take_much_memory()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutChangesAsync(Segment, new(Sample(), IsWhole: true), default);
        // A block in each of 300,000 chunks: each step is 8,192 blocks.
        await WriteAsync([0, 1, 1, 1, 1, 0, 0, 0xE0, 0xA7, 0x12, .. Enumerable.Repeat((byte[])[0xFF, 0x3F], 300_000).SelectMany(static b => b)]);
        Assert.True(new FileInfo(ObjectPath).Length < 2000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Null(await lineage.Wal.TryGetChangesAsync(Segment, default));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 500L << 20);
    }

    [Fact]
    public async Task Removing_a_segment_removes_its_changes()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutSegmentAsync(Segment, new MemoryStream(SmallRepository.SegmentBytes), default);
        await lineage.Wal.PutChangesAsync(Segment, new(Sample(), IsWhole: true), default);
        await lineage.Wal.DeleteSegmentAsync(new(Segment, true, 0), default);
        Assert.NotNull(await lineage.Wal.TryGetChangesAsync(Segment, default));
        await lineage.Wal.DeleteSegmentAsync(new(Segment, false, 0), default);
        Assert.Null(await lineage.Wal.TryGetChangesAsync(Segment, default));
        Assert.False(await lineage.Wal.HasSegmentAsync(Segment, default));
    }

    static BlockChanges Sample()
    {
        var changes = new BlockChanges();
        var t = new RelationFork(1663, 5, 16384, ForkNumber.Main);
        foreach (var block in (uint[])[0, 1, 2, 500, 8192, 70_000, 4_000_000_000])
        {
            changes.Add(t, block);
        }
        changes.Add(t with { Fork = ForkNumber.VisibilityMap }, 0);
        changes.AddFrom(t with { Fork = ForkNumber.Init }, 0);
        changes.Add(t with { Relation = 16390 }, 3);
        changes.AddFrom(t with { Relation = 16390 }, 17);
        changes.Add(new(1664, 0, 1260, ForkNumber.Main), 0);
        changes.AddDatabase(1663, 16400);
        changes.AddDatabase(16401, 16400);
        return changes;
    }

    static BlockChanges WithFreeSpaceMap()
    {
        var changes = Sample();
        changes.Add(new(1663, 5, 16384, ForkNumber.FreeSpaceMap), 2);
        return changes;
    }

    async Task WriteAsync(byte[] body)
    {
        var written = await File.ReadAllBytesAsync(ObjectPath);
        var record = written.AsSpan(0, Barkeep.Storage.Record.LengthOf("changes", "changes", 2, written));
        using var compressor = new Compressor();
        byte[] bytes = [.. record, .. compressor.Wrap(body)];
        await File.WriteAllBytesAsync(ObjectPath, [.. bytes, .. XxHash128.Hash(bytes)]);
    }

    async Task<Lineage> LineageAsync() =>
        await (await Repository.OpenAsync(_directory, default)).AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
}
