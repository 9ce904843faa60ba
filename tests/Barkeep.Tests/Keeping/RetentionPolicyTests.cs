using Barkeep.Configuration;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Keeping;

public sealed class RetentionPolicyTests
{
    [Theory]
    [InlineData("REDUNDANCY 3", "REDUNDANCY 3")]
    [InlineData("  redundancy   2 ", "REDUNDANCY 2")]
    [InlineData("RECOVERY WINDOW OF 3 MONTHS", "RECOVERY WINDOW OF 3 MONTHS")]
    [InlineData("recovery window of 1 week", "RECOVERY WINDOW OF 1 WEEKS")]
    [InlineData("Recovery\tWindow  of 30 Day", "RECOVERY WINDOW OF 30 DAYS")]
    [InlineData("KEEP 24 HOURLY 7 DAILY 4 WEEKLY 12 MONTHLY", "KEEP 24 HOURLY 7 DAILY 4 WEEKLY 12 MONTHLY")]
    [InlineData("keep 12 monthly 7 daily", "KEEP 7 DAILY 12 MONTHLY")]
    [InlineData("", "none")]
    [InlineData(" None ", "none")]
    public void What_Barman_takes_is_taken(string text, string canonical)
    {
        Assert.True(RetentionPolicy.TryParse(text, out var policy));
        Assert.Equal(canonical, policy.ToString());
        Assert.Equal(canonical == "none", policy.IsNone);
    }

    [Theory]
    [InlineData("REDUNDANCY")]
    [InlineData("REDUNDANCY 0")]
    [InlineData("REDUNDANCY -1")]
    [InlineData("REDUNDANCY 3 3")]
    [InlineData("REDUNDANCY 123456")]
    [InlineData("RECOVERY WINDOW OF 3 YEARS")]
    [InlineData("RECOVERY WINDOW OF MONTHS")]
    [InlineData("RECOVERY WINDOW 3 DAYS")]
    [InlineData("RECOVERY WINDOW OF ٣ DAYS")]
    [InlineData("KEEP")]
    [InlineData("KEEP 7")]
    [InlineData("KEEP 7 DAILY 8 DAILY")]
    [InlineData("KEEP 0 DAILY")]
    [InlineData("KEEP 7 DAILY; REDUNDANCY 2")]
    [InlineData("keep everything")]
    public void Anything_else_is_refused(string text) => Assert.False(RetentionPolicy.TryParse(text, out _));

    [Fact]
    public void A_policy_reads_what_it_prints() =>
        Gen.OneOf(
            Gen.Int[1, 99_999].Select(static n => $"REDUNDANCY {n}"),
            Gen.Select(Gen.Int[1, 99_999], Gen.Int[0, 2]).Select(static (n, unit) => $"RECOVERY WINDOW OF {n} {((string[])["DAYS", "WEEKS", "MONTHS"])[unit]}"),
            Gen.Int[1, 99_999].Array[4].SelectMany(static n => Gen.Int[1, 15].Select(mask => "KEEP " + string.Join(' ', ((string[])["HOURLY", "DAILY", "WEEKLY", "MONTHLY"]).Where((_, i) => (mask >> i & 1) != 0).Select((p, i) => $"{n[i]} {p}")))))
        .Sample(static text => RetentionPolicy.TryParse(text, out var policy) && policy.ToString() == text && RetentionPolicy.TryParse(text.ToLowerInvariant(), out var again) && again == policy);

    [Theory]
    [InlineData("1 DAY", "1 day", 24.0)]
    [InlineData(" 36 hours", "36 hours", 36.0)]
    [InlineData("90 MINUTES", "90 minutes", 1.5)]
    [InlineData("2 Months", "2 months", 1488.0)]
    public void An_age_is_read_as_Barman_writes_it(string text, string printed, double hours)
    {
        Assert.True(AgeLimit.TryParse(text, out var limit));
        Assert.Equal(printed, limit.ToString());
        Assert.Equal(TimeSpan.FromHours(hours), limit.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("DAY")]
    [InlineData("-1 DAYS")]
    [InlineData("1 YEAR")]
    public void What_is_no_age_is_refused(string text) => Assert.False(AgeLimit.TryParse(text, out _));
}
