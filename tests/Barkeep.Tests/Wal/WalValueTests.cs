using System.Text;
using Barkeep.Common;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class WalValueTests
{
    static readonly Gen<SegmentSize> Sizes = Gen.Int[20, 30].Select(shift => new SegmentSize(1 << shift));

    [Fact]
    public void An_LSN_prints_and_parses_as_pg_lsn()
    {
        Assert.Equal("16/B374D848", new Lsn(0x16B374D848).ToString());
        Assert.Equal("0/0", Lsn.Invalid.ToString());
        Gen.ULong.Sample(value => Assert.Equal(new Lsn(value), Lsn.Parse(new Lsn(value).ToString())));
        foreach (var text in (string[])["", "/", "1/", "/1", "123456789/0", "0/123456789", "0x1/0", "-1/0", "1/2/3", " 1/2", "g/0"])
        {
            Assert.False(Lsn.TryParse(text, out _), text);
        }
    }

    [Theory]
    [InlineData("000000010000000200000003", 16, "2/3000000")]
    [InlineData("0000000A00000002000000FF", 16, "2/FF000000")]
    [InlineData("000000010000000200000003", 1, "2/300000")]
    [InlineData("000000010000000200000FFF", 1, "2/FFF00000")]
    [InlineData("000000010000000200000003", 1024, "2/C0000000")]
    public void A_segment_name_means_what_pg_walfile_name_says(string text, int megabytes, string start)
    {
        var size = new SegmentSize(megabytes << 20);
        Assert.True(SegmentName.TryParse(text, out var name));
        Assert.True(name.IsValidFor(size));
        Assert.Equal(Lsn.Parse(start), name.Start(size));
        Assert.Equal(text, name.ToString());
    }

    [Fact]
    public void A_position_is_in_the_segment_that_contains_it() =>
        Gen.Select(Gen.ULong[0, 1UL << 60], Sizes).Sample((value, size) =>
        {
            var lsn = new Lsn(value);
            var name = SegmentName.Containing(TimelineId.First, lsn, size);
            Assert.True(name.Start(size) <= lsn && lsn < name.End(size) && name.IsValidFor(size));
            Assert.Equal(name.End(size), name.Next(size).Start(size));
            Assert.Equal(name, SegmentName.TryParse(name.ToString(), out var parsed) ? parsed : default);
        });

    [Fact]
    public void A_timeline_is_a_decimal_number_in_sentences_and_eight_hex_digits_in_names()
    {
        var timeline = new TimelineId(0x1A);
        Assert.Equal("26", $"{timeline}");
        Assert.Equal("0000001A.history", timeline.HistoryFileName);
        Assert.Equal("0000001A0000000200000003", new SegmentName(timeline, 2, 3).ToString());
        Assert.True(TimelineId.TryParse("26", out var parsed) && parsed == timeline);
        Assert.True(TimelineId.TryParseHex("0000001A", out parsed) && parsed == timeline);
        foreach (var text in (string[])["", "0", "-1", "+1", " 1", "1A", "4294967296"])
        {
            Assert.False(TimelineId.TryParse(text, out _), text);
        }
    }

    [Theory]
    [InlineData("00000001000000020000000")]
    [InlineData("0000000100000002000000033")]
    [InlineData("000000000000000200000003")]
    [InlineData("00000001000000020000000g")]
    [InlineData("00000001000000020000000a")]
    [InlineData("0000000100000002-0000003")]
    public void What_is_no_segment_name_is_refused(string text)
    {
        Assert.False(SegmentName.TryParse(text, out _));
        Assert.Equal(ErrorKind.BadWalName, Assert.Throws<BarkeepException>(() => SegmentName.Parse(text)).Kind);
    }

    [Theory]
    [InlineData("00000001.histor")]
    [InlineData("0000000100000000000000023")]
    [InlineData("000000010000000000000002.backup")]
    [InlineData("../000000010000000000000002")]
    public void What_is_no_WAL_file_is_refused_with_a_word_on_what_is_one(string text)
    {
        Assert.False(WalFileName.TryParse(text, out _));
        var error = Assert.Throws<BarkeepException>(() => WalFileName.Parse(text));
        Assert.Equal((ErrorKind.BadWalName, "24 hex digits, as in pg_wal; or 00000002.history"), (error.Kind, error.Hint));
    }

    [Fact]
    public void A_segment_beyond_its_log_is_not_valid()
    {
        var name = new SegmentName(TimelineId.First, 0, 256);
        Assert.False(name.IsValidFor(SegmentSize.Default));
        Assert.Equal(ErrorKind.BadWalName, Assert.Throws<BarkeepException>(() => name.ThrowUnlessValidFor(SegmentSize.Default)).Kind);
        name.ThrowUnlessValidFor(new(1 << 20));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1 << 19)]
    [InlineData((1 << 20) + 1)]
    [InlineData(3 << 20)]
    [InlineData(1L << 31)]
    public void A_segment_size_that_PostgreSQL_does_not_have_is_refused(long bytes) => Assert.False(SegmentSize.TryFrom(bytes, out _));

    [Fact]
    public void Aligning_goes_to_the_unit_and_no_further() =>
        Gen.Select(Gen.ULong[0, 1UL << 60], Gen.Int[0, 30]).Sample((value, shift) =>
        {
            var (lsn, unit) = (new Lsn(value), 1L << shift);
            var (down, up) = (lsn.AlignDown(unit), lsn.AlignUp(unit));
            Assert.True(down <= lsn && lsn - down < unit && down.Value % (ulong)unit == 0);
            Assert.True(up >= lsn && up - lsn < unit && up.Value % (ulong)unit == 0);
        });

    [Fact]
    public void A_history_says_on_which_timeline_a_position_is()
    {
        var history = TimelineHistory.Parse(new(5), Encoding.UTF8.GetBytes("1\t0/3000000\tno recovery target specified\n\n# a comment\n3\t0/5000100\tbefore 2026-11-23 13:12:51+00\n"));
        Assert.Equal([new(1), new(3)], history.Ancestors.Select(a => a.Timeline));
        Assert.Equal(new(1), history.TimelineAt(new(0x2FFFFFF)));
        Assert.Equal(new(3), history.TimelineAt(new(0x3000000)));
        Assert.Equal(new(5), history.TimelineAt(new(0x5000100)));
        Assert.True(history.Contains(new(1), new(0x3000000)));
        Assert.False(history.Contains(new(1), new(0x3000001)));
        Assert.False(history.Contains(new(2), new(0x3000000)));
        Assert.True(history.Contains(new(5), new(0x6000000)));
        Assert.False(history.Contains(new(5), new(0x4000000)));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1\tnowhere")]
    [InlineData("0\t0/1")]
    [InlineData("5\t0/1")]
    [InlineData("x\t0/1")]
    [InlineData("2\t0/1\n1\t0/2")]
    [InlineData("1\t0/2\n2\t0/1")]
    public void A_history_that_cannot_be_is_refused(string text) =>
        Assert.Throws<FormatException>(() => TimelineHistory.Parse(new(5), Encoding.UTF8.GetBytes(text)));
}
