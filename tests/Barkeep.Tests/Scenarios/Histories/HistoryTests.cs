using System.Globalization;
using System.Text;
using Xunit;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>
/// Backups through random histories of real servers: whatever happened, a restored backup equals the pg_basebackup taken at the same resting point,
/// page for page, and what is restored starts with every row.
/// <para>
/// What does not count is what pg_basebackup leaves out or makes anew (<see cref="Rig.ClusterComparison"/>), the rest of pg_control, the position being another one,
/// and what PostgreSQL changes without writing it to the WAL (<see cref="UnloggedBits"/>).
/// </para>
/// </summary>
public sealed class HistoryTests
{
    /// <summary>Seeds whose histories have found something once; with what.</summary>
    static readonly int[] Regressions = [];

    /// <summary>BARKEEP_SEED=17 or 1,2,3 or 1000-1099 replays; otherwise those of every run.</summary>
    public static TheoryData<int> Few => [.. Asked() ?? [.. Regressions, .. Enumerable.Range(0, HistorySetting.FirstSlow)]];

    public static TheoryData<int> Many => [.. Enumerable.Range(HistorySetting.FirstSlow, 116), .. Enumerable.Range(HistorySetting.FirstLong, 24)];

    [Theory]
    [MemberData(nameof(Few))]
    public Task Whatever_happens_every_backup_equals_a_pg_basebackup(int seed) => LiveThroughAsync(seed);

    [Theory]
    [MemberData(nameof(Many))]
    [Trait("Category", "slow")]
    public Task Whatever_happens_every_backup_equals_a_pg_basebackup_hundreds_of_times(int seed) => LiveThroughAsync(seed);

    [Theory]
    [InlineData(13, true)]
    [InlineData(18, false)]
    [InlineData(14, false, Traits = ["Category", "slow"])]
    [InlineData(16, true, Traits = ["Category", "slow"])]
    public async Task Changes_that_the_WAL_tells_only_indirectly_are_all_backed_up(int version, bool hasChecksums)
    {
        var setting = HistorySetting.Of(0) with { Version = version, HasChecksums = hasChecksums };
        await LiveThroughAsync(setting, HardCases.Of(version));
    }

    static async Task LiveThroughAsync(int seed)
    {
        var setting = HistorySetting.Of(seed);
        await LiveThroughAsync(setting, HistoryAuthor.Write(setting));
    }

    static async Task LiveThroughAsync(HistorySetting setting, IReadOnlyList<HistoryStep> steps)
    {
        await using var run = await HistoryRun.StartAsync(setting);
        var done = 0;
        try
        {
            foreach (var step in steps)
            {
                done++;
                await step.RunAsync(run);
            }
        }
        catch (Exception e)
        {
            Assert.Fail(Tell(setting, steps.Take(done), run, e));
        }
        Assert.True(run.RefusedCount * 5 <= run.StatementCount, Tell(setting, steps, run, null));
    }

    static string Tell(HistorySetting setting, IEnumerable<HistoryStep> steps, HistoryRun run, Exception? failure)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{setting}; replay with BARKEEP_SEED={setting.Seed}");
        text.AppendLine(failure is null ? "too many statements were refused" : failure is Xunit.Sdk.XunitException ? failure.Message : failure.ToString());
        text.AppendLine("what happened, the last being what failed:");
        foreach (var (number, step) in steps.Index())
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  {number + 1}. {step.Text}");
        }
        return text.AppendLine("notes:").AppendJoin('\n', run.Notes.Select(static n => $"  {n}")).ToString();
    }

    static List<int>? Asked()
    {
        if (Environment.GetEnvironmentVariable("BARKEEP_SEED") is not { Length: > 0 } asked)
        {
            return null;
        }
        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
        return [.. asked.Split(',').Select(static part => part.Split('-')).SelectMany(static part => Enumerable.Range(Number(part[0]), Number(part[^1]) - Number(part[0]) + 1))];
    }
}
