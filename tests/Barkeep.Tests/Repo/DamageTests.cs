using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Received;
using Barkeep.Receiving;
using Barkeep.Repo;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Repo;

public sealed class DamageTests
{
    // Every way in which a reader may say that bytes are not what was written.
    static readonly ErrorKind[] Findings = [ErrorKind.Damaged, ErrorKind.NewerRepository, ErrorKind.HostilePath, ErrorKind.ObjectMissing];

    /// <summary>All kinds of objects. Of `complete` and of a finished backup's `started` only the existence counts.</summary>
    public static TheoryData<string> Objects =>
    [
        "format", "lineages/0001", "*/wal/0000000100000000/000000010000000000000002", "*/wal/0000000100000000/000000010000000000000003.partial",
        "*/wal/history/00000002", "*/gaps/*", "*/backups/*1/manifest", "*/backups/*2/manifest", "*/backups/*3/started", "*/backups/*3/failed", "*/packs/*1/0001", "*/packs/*2/0001",
    ];

    const string Generation = "*/packs/*1/0001.1";

    [Theory]
    [MemberData(nameof(Objects))]
    [InlineData(Generation)]
    public async Task Every_flipped_bit_is_found(string which)
    {
        using var small = await CreateAsync(which);
        var path = Find(small, which);
        var bytes = await File.ReadAllBytesAsync(path);
        await SmallRepository.ReadAllAsync(small.Directory);

        // Heads, indexes and footers bit by bit; of the bulk in between a part, and at random.
        var bits = Enumerable.Range(0, bytes.Length * 8).Where(bit => bit < 1600 || bit >= (bytes.Length * 8) - 1600 || bit % 301 == 0);
        foreach (var bit in bits)
        {
            await FindAsync(small, path, Flipped(bytes, bit), $"bit {bit % 8} of byte {bit / 8} of {bytes.Length} flipped");
        }
        await Gen.Int[0, (bytes.Length * 8) - 1].SampleAsync(bit => FindAsync(small, path, Flipped(bytes, bit), $"bit {bit} flipped"), iter: 50, threads: 1);
        await File.WriteAllBytesAsync(path, bytes);
        await SmallRepository.ReadAllAsync(small.Directory);
    }

    [Fact]
    public async Task A_segment_that_is_put_again_over_a_damaged_copy_takes_its_place()
    {
        using var small = await SmallRepository.CreateAsync();
        var path = Find(small, "*/wal/0000000100000000/000000010000000000000002");
        var bytes = await File.ReadAllBytesAsync(path);
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        foreach (var damaged in (byte[][])[Flipped(bytes, bytes.Length * 4), bytes[..^20], Flipped(bytes, (bytes.Length * 8) - 1)])
        {
            await File.WriteAllBytesAsync(path, damaged);
            Assert.True(await wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default));
            Assert.Equal(bytes, await File.ReadAllBytesAsync(path));
        }
        Assert.False(await wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default));
    }

    [Fact]
    public async Task A_partial_segment_that_comes_again_over_a_damaged_copy_takes_its_place()
    {
        using var small = await SmallRepository.CreateAsync();
        var path = Find(small, $"*/wal/0000000100000000/{SmallRepository.LastSegment}.partial");
        var bytes = await File.ReadAllBytesAsync(path);
        await File.WriteAllBytesAsync(path, Flipped(bytes, bytes.Length * 4));
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        Assert.True(await new PartialIntake(lineage).PutAsync(SmallRepository.LastSegment, SmallRepository.PartialBytes, SmallRepository.PartialBytes.Length, default));
        Assert.Equal(bytes, await File.ReadAllBytesAsync(path));
    }

    [Fact]
    public async Task A_segment_that_is_marked_as_damaged_counts_as_missing_until_it_is_put_again_or_said_to_be_sound()
    {
        using var small = await SmallRepository.CreateAsync();
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        var spool = new WalSpool(Path.Combine(small.Directory, "none"), wal.SegmentSize);
        Assert.True(await IsHereAsync());
        await wal.MarkDamagedAsync(SmallRepository.Segment, partial: false, "rotten", default);
        Assert.False(await IsHereAsync());
        Assert.Equal([SmallRepository.Segment], (await ReceivedWal.ListAsync(wal, spool, default)).Damaged);
        Assert.True((await ReceivedWal.ListAsync(wal, spool, default, withDamaged: true)).TryGet(SmallRepository.Segment, out _));
        Assert.False(await wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default));
        Assert.True(await IsHereAsync());

        await wal.MarkDamagedAsync(SmallRepository.Segment, partial: false, "rotten", default);
        await wal.UnmarkAsync(SmallRepository.Segment, partial: false, default);
        Assert.True(await IsHereAsync());

        // The mark goes with it.
        await wal.MarkDamagedAsync(SmallRepository.Segment, partial: false, "rotten", default);
        await wal.DeleteSegmentAsync((await wal.ListSegmentsAsync(default)).Single(static s => s.IsDamaged), default);
        Assert.True(await wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default));
        Assert.True(await IsHereAsync());

        async Task<bool> IsHereAsync() => (await ReceivedWal.ListAsync(wal, spool, default)).TryGet(SmallRepository.Segment, out _);
    }

    [Theory]
    [MemberData(nameof(Objects))]
    [InlineData(Generation)]
    public async Task Every_truncation_and_every_addition_is_found(string which)
    {
        using var small = await CreateAsync(which);
        var path = Find(small, which);
        var bytes = await File.ReadAllBytesAsync(path);
        for (var length = 0; length < bytes.Length; length += length < 200 || length > bytes.Length - 100 ? 1 : 397)
        {
            await FindAsync(small, path, bytes[..length], $"cut to {length} of {bytes.Length} bytes");
        }
        await FindAsync(small, path, [.. bytes, 0], "one byte more");
        await FindAsync(small, path, [.. bytes, .. bytes], "twice");
    }

    [Theory]
    [InlineData("*/packs/*1/0001", "*/packs/*2/0001")]
    [InlineData("*/backups/*1/manifest", "*/backups/*2/manifest")]
    [InlineData("*/wal/0000000100000000/000000010000000000000002", "*/wal/0000000100000000/000000010000000000000003.partial")]
    [InlineData("*/backups/*3/started", "*/backups/*3/failed")]
    [InlineData("format", "lineages/0001")]
    public async Task Two_objects_in_each_others_place_are_found(string one, string other)
    {
        using var small = await SmallRepository.CreateAsync();
        var (left, right) = (Find(small, one), Find(small, other));
        var (leftBytes, rightBytes) = (await File.ReadAllBytesAsync(left), await File.ReadAllBytesAsync(right));
        await File.WriteAllBytesAsync(left, rightBytes);
        await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadAllAsync(small.Directory));
        await File.WriteAllBytesAsync(right, leftBytes);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadAllAsync(small.Directory));
        Assert.Contains(error.Kind, Findings);
    }

    [Fact]
    public async Task Two_frames_in_each_others_place_are_found()
    {
        using var small = new SmallRepository();
        var repository = await Repository.OpenAsync(small.Directory, default);
        var lineage = await repository.AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        var pages = Enumerable.Range(0, 2).Select(i => SmallRepository.Files["global/pg_control"].Select(b => (byte)(b ^ i)).ToArray()).ToArray();
        using (var packs = lineage.Packs.Begin(SmallRepository.First))
        {
            foreach (var page in pages)
            {
                await packs.AppendAsync(page, FrameEncoding.AsIs, new[] { FrameCodec.HashOf(page) }, default);
            }
            await packs.FinishAsync(default);
        }
        await SmallRepository.ReadPacksAsync(lineage);

        var path = Find(small, "*/packs/*1/0001");
        var bytes = await File.ReadAllBytesAsync(path);
        const int Header = 24;
        pages[1].CopyTo(bytes, Header);
        pages[0].CopyTo(bytes, Header + Page.Size);
        await File.WriteAllBytesAsync(path, bytes);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadPacksAsync(lineage));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
    }

    [Theory]
    [MemberData(nameof(Objects))]
    [InlineData(Generation)]
    public async Task A_missing_object_that_another_needs_is_named(string which)
    {
        // Nothing else tells of these; without its manifest a backup is one that never came to be.
        if (which.Contains("/gaps/", StringComparison.Ordinal) || which.Contains("/history/", StringComparison.Ordinal) || which.Contains("/backups/", StringComparison.Ordinal))
        {
            return;
        }
        using var small = await CreateAsync(which);
        File.Delete(Find(small, which));
        var error = await Xunit.Record.ExceptionAsync(async () =>
        {
            await SmallRepository.ReadAllAsync(small.Directory);
            var lineage = (await Repository.OpenAsync(small.Directory, default)).Lineages.Single();
            var manifest = await lineage.Backups.ReadManifestAsync(SmallRepository.Second, default);
            await SmallRepository.ContentAsync(lineage, manifest, "base/1/112");
        });
        Assert.NotNull(error);
        Assert.True(error is BarkeepException { Kind: ErrorKind.ObjectMissing } || which == "lineages/0001", error.ToString());
    }

    [Fact]
    public async Task A_damaged_backup_hides_no_other()
    {
        using var small = await SmallRepository.CreateAsync();
        var path = Find(small, "*/backups/*1/manifest");
        await File.WriteAllBytesAsync(path, Flipped(await File.ReadAllBytesAsync(path), 1000));
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var states = (await lineage.Backups.ListAsync(default)).Select(b => b.State);
        Assert.Equal([BackupState.Damaged, BackupState.WaitingForWals, BackupState.Failed], states);
    }

    [Theory]
    [InlineData("format", 5)]
    [InlineData("lineages/0001", 5)]
    [InlineData("*/wal/0000000100000000/000000010000000000000002", 5)]
    [InlineData("*/backups/*1/manifest", 5)]
    [InlineData("*/backups/*3/failed", 5)]
    [InlineData("*/gaps/*", 5)]
    public async Task A_newer_version_of_a_record_is_refused_as_newer(string which, int fields)
    {
        using var small = await SmallRepository.CreateAsync();
        var path = Find(small, which);
        var bytes = await File.ReadAllBytesAsync(path);
        var end = Array.IndexOf(bytes, (byte)'\n');
        var head = System.Text.Encoding.ASCII.GetString(bytes, 0, end).Split(' ');
        Assert.Equal(fields, head.Length);
        head[2] = "2";
        await File.WriteAllBytesAsync(path, [.. System.Text.Encoding.ASCII.GetBytes(string.Join(' ', head)), .. bytes[end..]]);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadAllAsync(small.Directory));
        Assert.Equal(ErrorKind.NewerRepository, error.Kind);

        // A future head may have another form.
        await File.WriteAllBytesAsync(path, [.. System.Text.Encoding.ASCII.GetBytes($"barkeep {head[1]} 3 and more, unknown today\n"), .. bytes]);
        error = await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadAllAsync(small.Directory));
        Assert.Equal(ErrorKind.NewerRepository, error.Kind);
    }

    [Theory]
    [InlineData("*/packs/*1/0001")]
    [InlineData(Generation)]
    public async Task A_newer_version_of_a_pack_is_refused_as_newer(string which)
    {
        using var small = await CreateAsync(which);
        var path = Find(small, which);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[6] = 3;
        bytes[^2] = 3;
        await File.WriteAllBytesAsync(path, bytes);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => SmallRepository.ReadAllAsync(small.Directory));
        Assert.Equal(ErrorKind.NewerRepository, error.Kind);
    }

    static Task<SmallRepository> CreateAsync(string which) => which == Generation ? SmallRepository.CreateCollectedAsync() : SmallRepository.CreateAsync();

    static async Task FindAsync(SmallRepository small, string path, byte[] bytes, string what)
    {
        await File.WriteAllBytesAsync(path, bytes);
        var error = await Xunit.Record.ExceptionAsync(() => SmallRepository.ReadAllAsync(small.Directory));
        Assert.True(error is BarkeepException found && Findings.Contains(found.Kind), $"{what} in {path}: {error?.ToString() ?? "not found"}");
    }

    static byte[] Flipped(byte[] bytes, int bit)
    {
        var flipped = (byte[])bytes.Clone();
        flipped[bit / 8] ^= (byte)(1 << (bit % 8));
        return flipped;
    }

    /// <summary>The one object whose name is like the pattern; backups' ids end in their second.</summary>
    static string Find(SmallRepository small, string pattern)
    {
        var expression = new System.Text.RegularExpressions.Regex($"^{pattern.Replace("*", "[^/]*", StringComparison.Ordinal)}$");
        return Directory.EnumerateFiles(small.Directory, "*", SearchOption.AllDirectories).Single(f => expression.IsMatch(Path.GetRelativePath(small.Directory, f)));
    }
}
