using System.Globalization;
using Barkeep.Common;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class TimeTextTests
{
    static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    [InlineData("2026-11-23 01:30:00+05:45", "2026-11-22T19:45:00Z")]
    [InlineData("2026-11-23T01:30:00.123456Z", "2026-11-23T01:30:00.123456Z")]
    [InlineData("2026-11-23 01:30:00.5 UTC", "2026-11-23T01:30:00.5Z")]
    [InlineData("2026-11-23 01:30 -03", "2026-11-23T04:30:00Z")]
    [InlineData("2026-11-23 01:30:59-0330", "2026-11-23T05:00:59Z")]
    [InlineData("20261123T013000+01", "2026-11-23T00:30:00Z")]
    [InlineData("2026-07-01 12:00:00 America/New_York", "2026-07-01T16:00:00Z")]
    [InlineData("2026-11-23 01:00:00 utc", "2026-11-23T01:00:00Z")]
    [InlineData("29 Nov 2026 21:43:05 +01:00", "2026-11-29T20:43:05Z")]
    [InlineData("Sun, 29 Nov 2026 21:43:05.25 +0100", "2026-11-29T20:43:05.25Z")]
    [InlineData("Sun Nov 29 21:43:05 UTC 2026", "2026-11-29T21:43:05Z")]
    [InlineData("Sun Nov 29 21:43:05 2026 Europe/Berlin", "2026-11-29T20:43:05Z")]
    public void A_time_with_a_zone_is_that_time(string text, string utc)
    {
        var time = TimeText.Parse(text, Berlin);
        Assert.False(time.IsZoneAssumed);
        Assert.Equal(DateTimeOffset.Parse(utc, CultureInfo.InvariantCulture), time.Time);
    }

    [Theory]
    [InlineData("2026-11-23 01:30:00", "2026-11-23T00:30:00Z")]
    [InlineData("2026-07-01T01:30:00.000001", "2026-06-30T23:30:00.000001Z")]
    [InlineData("2026-07-01", "2026-06-30T22:00:00Z")]
    [InlineData(" 2026-07-01 05 ", "2026-07-01T03:00:00Z")]
    [InlineData("Sun Nov 29 21:43:05 2026", "2026-11-29T20:43:05Z")]
    [InlineData("Wed Jul  1 01:30:00 2026", "2026-06-30T23:30:00Z")]
    [InlineData("29 Nov 2026 21:43:05", "2026-11-29T20:43:05Z")]
    [InlineData("1 Jul 2026", "2026-06-30T22:00:00Z")]
    public void A_time_without_a_zone_is_the_given_zones_and_says_so(string text, string utc)
    {
        var time = TimeText.Parse(text, Berlin);
        Assert.True(time.IsZoneAssumed);
        Assert.Equal(DateTimeOffset.Parse(utc, CultureInfo.InvariantCulture), time.Time);
    }

    [Theory]
    [InlineData("2026-10-25 02:30:00", "twice", "'2026-10-25 02:30:00+02:00' or '2026-10-25 02:30:00+01:00'")]
    [InlineData("2026-03-29 02:30:00", "did not exist", "'2026-03-29 03:30:00+02:00'")]
    public void A_time_that_the_clock_showed_twice_or_never_is_refused_with_the_way_out(string text, string why, string wayOut)
    {
        var error = Assert.Throws<BarkeepException>(() => TimeText.Parse(text, Berlin));
        Assert.Equal(ErrorKind.Usage, error.Kind);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(wayOut, error.Hint, StringComparison.Ordinal);
        Assert.False(TimeText.Parse($"{text}+01:00", Berlin).IsZoneAssumed);
    }

    [Theory]
    [InlineData("2026-11-23 01:00:00.1234567Z")]
    [InlineData("2026-11-23 01:00:00.123456789Z")]
    [InlineData("Mon Nov 23 01:00:00.123456999 UTC 2026")]
    public void Less_than_a_microsecond_is_cut_off(string text) =>
        Assert.Equal(new DateTimeOffset(2026, 11, 23, 1, 0, 0, TimeSpan.Zero).AddMicroseconds(123456), TimeText.Parse(text, Berlin).Time);

    [Theory]
    [InlineData("2026-11-23 01:00:00 CET", "CET")]
    [InlineData("Sun Nov 29 21:43:05 EST 2026", "EST")]
    [InlineData("29 Nov 2026 21:43:05 AEST", "AEST")]
    public void An_abbreviated_zone_is_refused_as_what_it_is(string text, string zone)
    {
        var error = Assert.Throws<BarkeepException>(() => TimeText.Parse(text, Berlin));
        Assert.Equal(ErrorKind.Usage, error.Kind);
        Assert.Contains($"'{zone}' in the time '{text}' is an abbreviation", error.Message, StringComparison.Ordinal);
        Assert.Contains("offset", error.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("2026-11-23 25:00:00Z")]
    [InlineData("2026-02-30 01:00:00Z")]
    [InlineData("2026-11-23 01:00:00+15:00")]
    [InlineData("2026-11-23 01:00:00+01:60")]
    [InlineData("2026-11-23 01:00:00.1234567890Z")]
    [InlineData("2026-11-23 01:00:00 No/Where")]
    [InlineData("Mon Nov 29 21:43:05 2026")]
    [InlineData("31 Nov 2026 21:43:05")]
    [InlineData("Sun Nov 29 2026")]
    [InlineData("23.11.2026 01:00")]
    public void What_is_no_time_is_refused(string text) =>
        Assert.Equal(ErrorKind.Usage, Assert.Throws<BarkeepException>(() => TimeText.Parse(text, Berlin)).Kind);
}
