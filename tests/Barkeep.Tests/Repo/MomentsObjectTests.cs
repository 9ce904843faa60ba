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

public sealed class MomentsObjectTests : IDisposable
{
    static readonly SegmentName Segment = new(new(1), 0, 2);
    static readonly SegmentSize OneMb = new(1 << 20);
    static readonly string Golden = Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Repo/golden/moments-1");

    readonly string _directory = RigRoot.NewDirectory("moments");

    string ObjectPath => Path.Combine(_directory, $"{SmallRepository.Identity.SystemId}/moments/0000000100000000/{Segment}");

    public void Dispose() => RigRoot.Remove(_directory);

    [Fact]
    public async Task Moments_of_version_1_are_still_read_and_written_to_the_byte()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutMomentsAsync(Segment, Sample(), default);
        Assert.Equal(await File.ReadAllBytesAsync(Golden), await File.ReadAllBytesAsync(ObjectPath));

        var read = await lineage.Wal.TryGetMomentsAsync(Segment, default);
        AssertEqual(Sample(), read!);
        Assert.Equal((Sample().Bounds, true), await lineage.Wal.TryGetMomentBoundsAsync(Segment, default));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task What_is_put_of_a_real_servers_WAL_is_what_is_got_and_takes_little_room(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        var repository = await Repository.OpenAsync(_directory, default);
        var lineage = await repository.AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        var walker = wal.Walker();
        foreach (var (name, bytes) in wal.Segments)
        {
            var moments = new Moments();
            var collector = new MomentCollector(moments);
            walker.Append(bytes, ref collector);
            var put = new SegmentMoments(moments, moments.Bounds, IsWhole: true);
            await lineage.Wal.PutMomentsAsync(name, put, default);
            AssertEqual(put, (await lineage.Wal.TryGetMomentsAsync(name, default))!);
            Assert.Equal((put.Bounds, true), await lineage.Wal.TryGetMomentBoundsAsync(name, default));
        }
    }

    [Fact]
    public async Task Moments_with_any_byte_other_than_written_or_missing_or_of_another_segment_count_as_not_there()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutMomentsAsync(Segment, Sample(), default);
        var bytes = await File.ReadAllBytesAsync(ObjectPath);
        var head = Barkeep.Storage.Record.LengthOf("moments", "moments", 1, bytes);
        for (var i = 0; i < bytes.Length; i++)
        {
            foreach (var bit in (byte[])[1, 16, 128])
            {
                var other = (byte[])bytes.Clone();
                other[i] ^= bit;
                await File.WriteAllBytesAsync(ObjectPath, other);
                Assert.True(await lineage.Wal.TryGetMomentsAsync(Segment, default) is null, $"byte {i}, bit {bit}");
                // The bounds are read without the rest.
                Assert.True(await lineage.Wal.TryGetMomentBoundsAsync(Segment, default) is null == i < head, $"bounds, byte {i}, bit {bit}");
            }
            await File.WriteAllBytesAsync(ObjectPath, bytes[..i]);
            Assert.True(await lineage.Wal.TryGetMomentsAsync(Segment, default) is null, $"cut at {i}");
        }
        await File.WriteAllBytesAsync(ObjectPath, [.. bytes, 0]);
        Assert.Null(await lineage.Wal.TryGetMomentsAsync(Segment, default));

        await File.WriteAllBytesAsync(ObjectPath, bytes);
        Assert.NotNull(await lineage.Wal.TryGetMomentsAsync(Segment, default));
        File.Copy(ObjectPath, ObjectPath[..^1] + "3");
        Assert.Null(await lineage.Wal.TryGetMomentsAsync(Segment with { Segment = 3 }, default));
        Assert.Null(await lineage.Wal.TryGetMomentBoundsAsync(Segment with { Segment = 3 }, default));
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xFF, 0x7F })] // more commits than are kept
    [InlineData(new byte[] { 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0 })] // further back than any record begins
    [InlineData(new byte[] { 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0 })] // no xid
    [InlineData(new byte[] { 0, 1, 0, 0, 0xFF, 0xFF, 0x7F })] // a name that is too long
    [InlineData(new byte[] { 0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0 })] // an unknown loss
    [InlineData(new byte[] { 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 })] // no loss
    [InlineData(new byte[] { 0, 0, 0, 0, 0 })] // it ends early
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0 })] // bytes follow
    [InlineData(new byte[] { 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0 })] // no number
    public async Task A_body_that_makes_no_sense_counts_as_not_there_though_its_hashes_are_right(byte[] body)
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutMomentsAsync(Segment, Sample(), default);
        await WriteAsync([0, 0, 0, 0, 0, 0]);
        Assert.NotNull(await lineage.Wal.TryGetMomentsAsync(Segment, default));
        await WriteAsync(body);
        Assert.Null(await lineage.Wal.TryGetMomentsAsync(Segment, default));
    }

    [Fact]
    public async Task No_body_does_harm_or_takes_much_memory()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutMomentsAsync(Segment, Sample(), default);
        var bytes = Gen.OneOf(Gen.Byte.Array[0, 200], Gen.Select(Gen.Byte[0, 7], Gen.Int[0, 3]).Select(static t => (byte)(t.Item2 == 0 ? t.Item1 | 0x80 : t.Item1)).Array[0, 200]);
        await bytes.SampleAsync(
            async body =>
            {
                await WriteAsync(body);
                _ = await lineage.Wal.TryGetMomentsAsync(Segment, default);
            },
            iter: 3000, threads: 1);

        // As much as compression can hide: zeros without end, in every list.
        foreach (var start in (byte[][])[[0x80, 0x08], [0, 0x80, 0x08], [0, 0, 0x80, 0x02], [0, 0, 0, 64], [0, 0, 0, 0, 0x80, 0x80, 0x01], [0, 0, 0, 0, 0, 0x80, 0x08]])
        {
            await WriteAsync([.. start, .. new byte[64 << 20]]);
            Assert.InRange(new FileInfo(ObjectPath).Length, 0, 64 << 10);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Null(await lineage.Wal.TryGetMomentsAsync(Segment, default));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 32L << 20);
        }
    }

    [Fact]
    public async Task Removing_a_segment_removes_its_moments()
    {
        var lineage = await LineageAsync();
        await lineage.Wal.PutSegmentAsync(Segment, new MemoryStream(SmallRepository.SegmentBytes), default);
        await lineage.Wal.PutMomentsAsync(Segment, Sample(), default);
        await lineage.Wal.DeleteSegmentAsync(new(Segment, true, 0), default);
        Assert.True(File.Exists(ObjectPath));
        await lineage.Wal.DeleteSegmentAsync(new(Segment, false, 0), default);
        Assert.False(File.Exists(ObjectPath));
        Assert.Null(await lineage.Wal.TryGetMomentsAsync(Segment, default));
    }

    /// <summary>One of each, laid out by hand.</summary>
    static SegmentMoments Sample()
    {
        var wal = new WrittenWal(OneMb, 2);
        byte[] relation = [0x7F, 6, 0, 0, 5, 0, 0, 0, 0, 0x40, 0, 0];
        var time = BitConverter.GetBytes(848_844_131_123_456);
        wal.Add(ResourceManager.Storage, 0x10, [255, 16, .. relation, 0, 0, 0, 0], xid: 998);
        wal.Add(ResourceManager.Transaction, 0, [255, 8, .. time], xid: 999);
        wal.Add(ResourceManager.Xlog, 0x70, [255, 72, .. time, .. "before the accident"u8, .. new byte[45]]);
        wal.Add(ResourceManager.Xlog, 0x10, [255, 88, 0x28, 0, 0x20, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, .. new byte[8], 0xE7, 3, 0, 0, 1, 0, 0, 0, .. new byte[32], 0x83, 0x4C, 0x03, 0x6A, 0, 0, 0, 0, .. new byte[16]]);
        wal.Add(ResourceManager.Xlog, 0x90, [255, 16, .. time, 2, 0, 0, 0, 1, 0, 0, 0]);
        wal.Add(ResourceManager.Transaction, 0x80, [255, 28, .. BitConverter.GetBytes(848_844_130_000_000), 4, 0, 0, 0, 1, 0, 0, 0, .. relation]);
        wal.Add(ResourceManager.Transaction, 0xC0, [255, 16, .. time, 16, 0, 0, 0, 0xD2, 4, 0, 0]);
        wal.Add(ResourceManager.Storage, 0x20, [255, 20, 7, 0, 0, 0, .. relation, 7, 0, 0, 0]);
        wal.Add(ResourceManager.Heap, 0x30, [255, 16, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x40, 0, 0]);
        wal.Add(ResourceManager.Database, 0x20, [255, 12, 2, 0x40, 0, 0, 1, 0, 0, 0, 0x7F, 6, 0, 0]);
        var moments = new Moments();
        var collector = new MomentCollector(moments);
        new RecordWalker(wal.Start, TimelineHistory.Initial(TimelineId.First), OneMb, null).Append(wal.ToArray(), ref collector);
        return new(moments, moments.Bounds, IsWhole: true);
    }

    static void AssertEqual(SegmentMoments put, SegmentMoments got)
    {
        Assert.Equal(put.Bounds, got.Bounds);
        Assert.Equal(put.IsWhole, got.IsWhole);
        Assert.Equal(put.Moments.Commits, got.Moments.Commits);
        Assert.Equal(put.Moments.RestorePoints, got.Moments.RestorePoints);
        Assert.Equal(put.Moments.Checkpoints, got.Moments.Checkpoints);
        Assert.Equal(put.Moments.Switches, got.Moments.Switches);
        Assert.Equal(put.Moments.Losses, got.Moments.Losses);
        Assert.Equal(put.Moments.Creators.Order(), got.Moments.Creators.Order());
    }

    async Task WriteAsync(byte[] body)
    {
        var written = await File.ReadAllBytesAsync(ObjectPath);
        var record = written.AsSpan(0, Barkeep.Storage.Record.LengthOf("moments", "moments", 1, written));
        using var compressor = new Compressor();
        byte[] bytes = [.. record, .. compressor.Wrap(body)];
        await File.WriteAllBytesAsync(ObjectPath, [.. bytes, .. XxHash128.Hash(bytes)]);
    }

    async Task<Lineage> LineageAsync() =>
        await (await Repository.OpenAsync(_directory, default)).AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
}
