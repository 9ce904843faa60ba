using Barkeep.Tests.Rig;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class RecordWalkerTests
{
    // After a record that a crash left unfinished: XLOG_OVERWRITE_CONTRECORD (pg_control.h).
    const byte OverwriteContinuation = 0xD0;

    public static TheoryData<int, int> Samples =>
    [
        (13, 1), (15, 1), (15, 16), (17, 1), (18, 1),
        .. PostgresInstallation.SlowVersions.Select(static v => new TheoryDataRow<int, int>(v, 1).WithTrait("Category", "slow")),
    ];

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task The_records_and_the_end_are_those_that_pg_waldump_finds(int version, int segmentMb)
    {
        var sample = await WalSample.OfAsync(version, segmentMb);

        var (walker, seen) = Walk(sample);

        Assert.Equal(
            sample.Listed.Select(record => (record.Start, record.Length, record.Xid, record.Previous)),
            seen.All.Select(record => (record.Start, record.Header.Length, record.Header.Xid, record.Header.Previous)));
        Assert.Equal(WalDefectKind.EndOfWal, walker.Defect?.Kind);
        Assert.Contains($" at {walker.ValidEnd}: ", sample.EndMessage, StringComparison.Ordinal);
        Assert.Equal(seen.All[^1].End, walker.ValidEnd);
        Assert.Null(walker.PendingRecord);
        Assert.Equal(version, walker.MajorVersion);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task The_sample_has_what_is_hard_to_read(int version, int segmentMb)
    {
        var sample = await WalSample.OfAsync(version, segmentMb);

        var (_, seen) = Walk(sample);

        Assert.True(seen.All.Count(record => record.Header.IsSwitch) >= 2);
        Assert.Single(seen.All, static record => record.Header is { Manager: ResourceManager.Xlog, Kind: OverwriteContinuation });
        Assert.Contains(seen.All, record => record.Header.Length > 3_000_000);
        Assert.True(seen.All.Select(record => record.Header.Manager).Distinct().Count() >= 16);
        var creation = Assert.Single(seen.Tablespaces);
        Assert.Equal(sample.TablespacePath, creation.Path);
        Assert.Equal("CREATE", sample.Listed.Single(record => record.Start == creation.Start).What);
    }

    [Fact]
    public async Task Any_chunks_give_the_same()
    {
        var sample = await WalSample.OfAsync(15);
        var (whole, all) = Walk(sample);
        var bytes = sample.Segments.SelectMany(segment => segment.Bytes).ToArray();

        Gen.OneOf(Gen.Int[1, 30], Gen.Int[1, 10_000], Gen.Int[1, 3_000_000]).SelectMany(most => Gen.Int[1, most].Array[200]).Sample(
            chunks =>
            {
                var seen = new SeenRecords();
                var walker = sample.Walker();
                for (int at = 0, i = 0; at < bytes.Length; i++)
                {
                    var length = Math.Min(chunks[i % chunks.Length], bytes.Length - at);
                    walker.Append(bytes.AsSpan(at, length), ref seen);
                    at += length;
                }
                Assert.Equal(all.All, seen.All);
                Assert.Equal((whole.ValidEnd, whole.Defect, whole.SkippedBytes, whole.PendingRecord), (walker.ValidEnd, walker.Defect, walker.SkippedBytes, walker.PendingRecord));
            },
            iter: 30, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task A_walk_from_any_segment_skips_what_it_cannot_check_and_sees_the_rest(int version, int segmentMb)
    {
        var sample = await WalSample.OfAsync(version, segmentMb);
        var (whole, all) = Walk(sample);

        for (var segment = 1; segment < sample.Segments.Count && sample.Segments[segment].Name.Start(sample.SegmentSize) < whole.ValidEnd; segment++)
        {
            var start = sample.Segments[segment].Name.Start(sample.SegmentSize);
            var seen = new SeenRecords();
            var walker = sample.WalkerFrom(segment);
            foreach (var (_, bytes) in sample.Segments.Skip(segment))
            {
                walker.Append(bytes, ref seen);
            }

            Assert.Equal(all.All.Where(record => record.Start > start), seen.All);
            Assert.Equal(whole.ValidEnd, walker.ValidEnd);
            var crossing = all.All.Where(record => record.Start < start && record.End > start && !record.Header.IsSwitch).ToList();
            Assert.Equal(crossing.Count == 0, walker.SkippedBytes == 0);
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Each_complete_segment_is_whole(int version, int segmentMb)
    {
        var sample = await WalSample.OfAsync(version, segmentMb);
        var walker = sample.Walker();
        var end = Walk(sample).Walker.ValidEnd;

        foreach (var (name, bytes) in sample.Segments)
        {
            walker.Append(bytes);
            Assert.Equal(name.End(sample.SegmentSize) <= end, walker.EndsWholeSegment);
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task A_flipped_bit_in_a_record_is_found(int version, int segmentMb)
    {
        var sample = await WalSample.OfAsync(version, segmentMb);
        var all = Walk(sample).Seen.All;

        Gen.Select(Gen.Int[0, all.Count - 1], Gen.Double[0, 1], Gen.Int[0, 7]).Sample(
            (index, where, bit) =>
            {
                var record = all[index];
                var flipped = PositionIn(record, (uint)((record.Header.Length - 1) * where), sample.SegmentSize);
                var (first, _) = sample.Locate(record.Start);
                var (segment, offset) = sample.Locate(flipped);
                var last = Math.Min(sample.Locate(record.End).Segment + 1, sample.Segments.Count - 1);

                var seen = new SeenRecords();
                var walker = sample.WalkerFrom(first);
                for (var i = first; i <= last; i++)
                {
                    var bytes = sample.Segments[i].Bytes;
                    if (i == segment)
                    {
                        bytes = [.. bytes];
                        bytes[offset] ^= (byte)(1 << bit);
                    }
                    walker.Append(bytes, ref seen);
                }

                Assert.NotNull(walker.Defect);
                Assert.True(walker.ValidEnd <= record.Start, $"{walker.Defect} for a bit at {flipped} of the record at {record.Start}");
                Assert.DoesNotContain(seen.All, other => other.Start >= record.Start);
            },
            iter: segmentMb == 1 ? 800 : 100, threads: 1);
    }

    [Fact]
    public async Task A_flipped_bit_in_a_page_header_is_found()
    {
        var sample = await WalSample.OfAsync(18);
        var end = Walk(sample).Walker.ValidEnd;
        var pages = (int)((end - sample.Start) / PageHeader.PageSize);

        Gen.Select(Gen.Int[0, pages - 1], Gen.Int[0, (8 * PageHeader.LongSize) - 1]).Sample(
            (number, bit) =>
            {
                var page = sample.Start + ((long)number * PageHeader.PageSize);
                var (segment, offset) = sample.Locate(page);
                byte[] bytes = [.. sample.Segments[segment].Bytes];
                var header = PageHeader.Parse(bytes.AsSpan(offset));
                // A walk that begins at a page can tell less of its header than one that comes to it: that one is the rule.
                var first = Math.Max(segment - 1, 0);
                var begins = first == segment && offset == 0;
                var meaningless = (bit is 16 + 2 or 16 + 3 or (>= 128 and < 160) && !header.BeginsWithContinuation)
                    || bit is 16 + 2 or (>= 160 and < 192)
                    || header.Magic == 0
                    // Version 15's magic number and 18's differ in this bit: where a walk begins only the next page tells.
                    || (begins && bit == 3)
                    // Where it begins within a record, a wrong length of the rest may lead to another record's begin.
                    || (begins && bit is >= 128 and < 160);
                if (meaningless || bit >= 8 * PageHeader.SizeAt(page, sample.SegmentSize))
                {
                    return;
                }
                bytes[offset + (bit / 8)] ^= (byte)(1 << (bit % 8));
                var walker = sample.WalkerFrom(first);
                if (first != segment)
                {
                    walker.Append(sample.Segments[first].Bytes);
                }
                walker.Append(bytes);
                Assert.True(walker.Defect is not null && walker.ValidEnd <= page, $"bit {bit} of the page at {page}: {walker.Defect}");
            },
            iter: 2000, threads: 1);
    }

    [Fact]
    public async Task WAL_of_another_cluster_timeline_size_or_build_is_told_apart()
    {
        var sample = await WalSample.OfAsync(15);
        var first = sample.Segments[0].Bytes;
        var initial = TimelineHistory.Initial(TimelineId.First);

        Assert.Equal(WalDefectKind.WrongSystem, DefectOf(new(sample.Start, initial, sample.SegmentSize, 42), first));
        Assert.Equal(WalDefectKind.WrongSystem, DefectOf(new(new(0), initial, SegmentSize.Default, null), first));
        Assert.Equal(WalDefectKind.WrongTimeline, DefectOf(new(sample.Start, TimelineHistory.Initial(new(2)), sample.SegmentSize, null), first));
        Assert.Equal(WalDefectKind.Page, DefectOf(new(sample.Start + sample.SegmentSize.Bytes, initial, sample.SegmentSize, null), first));
        byte[] other = [.. first];
        other[37] = 0x40;
        Assert.Equal(WalDefectKind.Unsupported, DefectOf(sample.Walker(), other));
    }

    [Fact]
    public async Task The_old_content_of_a_recycled_segment_is_not_taken_for_its_new_one()
    {
        var sample = await WalSample.OfAsync(15);
        var walker = sample.Walker();

        walker.Append(sample.Segments[0].Bytes);
        walker.Append(sample.Segments[0].Bytes);

        Assert.Equal(WalDefectKind.Page, walker.Defect?.Kind);
        Assert.Equal(sample.Segments[1].Name.Start(sample.SegmentSize), walker.Defect?.Position);
    }

    [Theory]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_promotion_within_a_segment_is_followed_with_its_history(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["wal_keep_size = 1GB"] });
        await using var standby = await primary.StartStandbyAsync();
        await primary.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 10000) i");
        var written = await primary.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text");
        await Eventually.IsTrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{written}'"), "the standby has caught up");
        await standby.PromoteAsync();
        await standby.SqlAsync("CREATE TABLE u AS SELECT i FROM generate_series(1, 60000) i");
        await standby.StopAsync();
        var directory = Path.Combine(standby.DataDirectory, "pg_wal");
        var history = TimelineHistory.Parse(new(2), await File.ReadAllBytesAsync(Path.Combine(directory, "00000002.history")));
        var size = new SegmentSize(1 << 20);
        var begin = SegmentName.Containing(new(2), history.Ancestors[^1].End, size);
        var dump = await standby.RunAsync("pg_waldump", "--path", directory, "--timeline", "2", "--start", begin.Start(size).ToString());

        var walker = new RecordWalker(begin.Start(size), history, size, null);
        var seen = new SeenRecords();
        for (var name = begin; File.Exists(Path.Combine(directory, name.ToString())); name = name.Next(size))
        {
            walker.Append(await File.ReadAllBytesAsync(Path.Combine(directory, name.ToString())), ref seen);
        }

        Assert.Equal(dump.OutputLines.Length, seen.All.Count);
        Assert.Contains($" at {walker.ValidEnd}: ", dump.Error, StringComparison.Ordinal);
        Assert.Contains(seen.All, record => record.Start < history.Ancestors[^1].End);
        var unaware = new RecordWalker(begin.Start(size), TimelineHistory.Initial(new(2)), size, null);
        Assert.Equal(WalDefectKind.WrongTimeline, DefectOf(unaware, await File.ReadAllBytesAsync(Path.Combine(directory, begin.ToString()))));
    }

    static (RecordWalker Walker, SeenRecords Seen) Walk(WalSample sample)
    {
        var seen = new SeenRecords();
        var walker = sample.Walker();
        foreach (var (_, bytes) in sample.Segments)
        {
            walker.Append(bytes, ref seen);
        }
        return (walker, seen);
    }

    static WalDefectKind? DefectOf(RecordWalker walker, byte[] bytes)
    {
        walker.Append(bytes);
        return walker.Defect?.Kind;
    }

    // Counted page by page, unlike the walker.
    static Lsn PositionIn(SeenRecord record, uint index, SegmentSize size)
    {
        var at = record.Start;
        for (var left = (long)index; ;)
        {
            var inPage = (at + 1).AlignUp(PageHeader.PageSize) - at;
            if (left < inPage)
            {
                return at + left;
            }
            left -= inPage;
            at += inPage;
            at += PageHeader.SizeAt(at, size);
        }
    }
}
