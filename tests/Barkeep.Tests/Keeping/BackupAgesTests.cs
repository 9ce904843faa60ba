using Barkeep.Keeping;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Keeping;

/// <summary>Times are in days.</summary>
public sealed class BackupAgesTests
{
    static readonly DateTimeOffset Start = new(2026, 11, 23, 1, 0, 0, TimeSpan.FromHours(1));

    [Fact]
    public void With_a_clock_that_is_right_ages_are_what_one_thinks() => AssertAges("0 1 2 3.5 4", "4 3 2 0.5 0");

    [Fact]
    public void A_clock_that_jumps_ahead_and_stays_there_makes_backups_two_days_older() => AssertAges("0 1 2 1600 1601", "5 4 3 1 0");

    [Fact]
    public void Nor_does_one_that_is_set_right_again() => AssertAges("0 1 2 1600 1601 3 4 5", "5 4 3 2 2 2 1 0");

    [Fact]
    public void Nor_one_that_begins_in_1970_after_each_reboot() => AssertAges("0 1 -9000 2 3 -9000 -8999 4", "4 3 2 2 1 0 0 0");

    [Fact]
    public void Equal_times_are_no_time_apart() => AssertAges("1 1 1", "0 0 0");

    [Fact]
    public void A_month_between_backups_counts_as_a_month_where_that_is_usual() => AssertAges("0 31 59 90", "90 59 31 0");

    [Fact]
    public void A_pause_counts_as_twice_the_longest_other_stretch() => AssertAges("0 7 14 400 407", "35 28 21 7 0");

    [Fact]
    public void Ages_never_increase_and_are_never_more_than_the_clock_says_when_it_ascends() =>
        Gen.Int[0, 4000].Array[0, 40].Sample(static hours =>
        {
            var times = hours.Select(static h => Start.AddHours(h)).ToList();
            var ages = BackupAges.Reckon(times);
            Assert.Equal(ages.OrderDescending(), ages);
            Assert.True(ages.Length == 0 || ages[^1] == TimeSpan.Zero);
            times.Sort();
            var sorted = BackupAges.Reckon(times);
            for (var i = 0; i < times.Count; i++)
            {
                Assert.True(sorted[i] <= times[^1] - times[i]);
            }
        });

    static void AssertAges(string times, string ages)
    {
        var reckoned = BackupAges.Reckon([.. Days(times).Select(static d => Start.AddDays(d))]);
        Assert.Equal(Days(ages), reckoned.Select(static a => a.TotalDays));
    }

    static IEnumerable<double> Days(string text) => text.Split(' ').Select(static d => double.Parse(d, System.Globalization.CultureInfo.InvariantCulture));
}
