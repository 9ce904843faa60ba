using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Going back to before DROP DATABASE, whose effects replay has before its commit.</summary>
public sealed class DatabaseDropTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task R9_the_position_that_is_shown_brings_a_dropped_database_back_and_what_lies_within_the_drop_is_refused_with_it(int version)
    {
        await using var bench = await CommandBench.StartAsync(new() { Version = version, Configuration = ["autovacuum = off", RowWriter.Setting] });
        var cluster = bench.Cluster;
        await cluster.SqlAsync("CREATE DATABASE second");
        await cluster.SqlAsync("CREATE TABLE t AS SELECT generate_series(1, 100) AS i", "second");
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        await cluster.SqlAsync("INSERT INTO t VALUES (0)", "second");
        // Nothing else is committed in the segment of the drop before it.
        (await bench.BarmanAsync("switch-wal", "montagu")).Checked();
        await cluster.SqlAsync("DROP DATABASE second");
        await cluster.SqlAsync("CREATE TABLE later (i int)");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();

        var now = await cluster.ScalarAsync<string>("SELECT clock_timestamp()::text");
        var shown = JsonNode.Parse((await bench.BarmanAsync("-f", "json", "targets", "montagu", "--around", now)).Checked().Output)!;
        var around = Assert.Single(shown["montagu"]!["clusters"]![0]!["around"]!.AsArray())!;
        var loss = Assert.Single(around["losses"]!.AsArray(), static l => l!["kind"]!.ToString() == "database_dropped")!;
        var (position, xid) = (loss["lsn"]!.ToString(), loss["xid"]!.GetValue<uint>());
        var committed = new DateTimeOffset(await cluster.ScalarAsync<DateTime>($"SELECT pg_xact_commit_timestamp('{xid}'::xid)"));
        Assert.Equal(committed, DateTimeOffset.Parse(loss["time"]!.ToString(), CultureInfo.InvariantCulture));
        var text = (await bench.BarmanAsync("targets", "montagu", "--around", now)).Checked().OutputLines;
        Assert.Single(text, l => l.Contains($", {position}: database second (", StringComparison.Ordinal));

        // Right before the commit its files are gone; right after the first record it is marked, and its row not deleted yet.
        foreach (var within in (string[][])[["--target-xid", $"{xid}", "--exclusive"], ["--target-time", $"{committed:yyyy-MM-dd HH:mm:ss.ffffffzzz}", "--exclusive"], ["--target-lsn", position]])
        {
            foreach (var more in (string[][])[["--dry-run"], []])
            {
                var refused = await bench.BarmanAsync(["restore", "montagu", "auto", bench.Rig.RestoreDirectory, .. within, .. more]);
                Assert.Equal((int)ErrorKind.TargetUnreachable, refused.ExitCode);
                Assert.Contains($"transaction {xid} is dropping {(within[0] == "--target-lsn" ? "a database" : $"database {loss["database"]}")}", refused.Error, StringComparison.Ordinal);
                Assert.Contains($"--target-lsn {position} --exclusive", refused.Error, StringComparison.Ordinal);
            }
        }
        var before = (await bench.BarmanAsync("targets", "montagu", "--around", $"{committed.AddMicroseconds(-1):yyyy-MM-dd HH:mm:ss.ffffffzzz}")).Checked().OutputLines;
        Assert.Single(before, l => l.Contains($"Database second ({loss["database"]}) is half dropped there, by transaction {xid}", StringComparison.Ordinal));

        (await bench.BarmanAsync("restore", "montagu", "auto", bench.Rig.RestoreDirectory, "--target-lsn", position, "--exclusive", "--target-action", "promote")).Checked();
        await using var restored = await TestCluster.OnDirectoryAsync(bench.Rig.RestoreDirectory, cluster);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(101, await restored.ScalarAsync<long>("SELECT count(*) FROM t", "second"));
    }
}
