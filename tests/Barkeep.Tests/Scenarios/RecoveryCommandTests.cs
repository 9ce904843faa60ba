using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Restores to targets by the program itself, from what its own receiver and backup have left.</summary>
public sealed class RecoveryCommandTests
{
    [Fact]
    public async Task R9_a_time_without_a_zone_is_taken_in_this_machines_and_said_aloud()
    {
        await using var bench = await BenchAsync();
        var writer = await RowsAsync(bench, 4);
        bench.Rig.Environment["TZ"] = "Asia/Kathmandu";
        var third = writer.Rows[2];
        var local = third.Time.ToOffset(new(5, 45, 0)).ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

        var said = (await RecoverAsync(bench, "--target-time", local, "--dry-run")).Checked();
        Assert.Contains($"--target-time '{local}' has no zone", said.Error, StringComparison.Ordinal);
        Assert.Contains("Asia/Kathmandu", said.Error, StringComparison.Ordinal);
        Assert.Contains($"the last transaction that is there: {third.Xid}", said.Output, StringComparison.Ordinal);
        Assert.Contains("pauses", said.Output, StringComparison.Ordinal);

        // Where the zone is told there is nothing to say, and the plan is the same.
        var told = (await RecoverAsync(bench, "--target-time", local + "+05:45", "--dry-run", "-f", "json")).Checked();
        Assert.Equal("", told.Error);
        var target = JsonNode.Parse(told.Output)!["target"]!;
        Assert.Equal(third.Xid, (uint)target["last_commit_xid"]!);
        Assert.Equal("time", (string?)target["kind"]);
        Assert.False((bool)target["stop_replayed"]!);
        Assert.Empty(Directory.EnumerateFileSystemEntries(bench.Rig.RestoreDirectory));
    }

    [Theory]
    [InlineData("You cannot specify multiple targets", "--target-immediate", "--target-xid", "700")]
    [InlineData("--exclusive means nothing", "--exclusive")]
    [InlineData("--exclusive means nothing", "--exclusive", "--target-immediate")]
    [InlineData("--target-action means nothing", "--target-action", "promote")]
    [InlineData("not pause, promote or shutdown", "--target-immediate", "--target-action", "explode")]
    [InlineData("is not a time", "--target-time", "tomorrow")]
    [InlineData("not the number of a transaction", "--target-xid", "-1x")]
    [InlineData("not a position in the WAL", "--target-lsn", "16B374D848")]
    [InlineData("not a timeline's number", "--target-tli", "newest")]
    [InlineData("exclude each other", "--get-wal", "--no-get-wal")]
    [InlineData("on that machine", "--remote-ssh-command", "ssh postgres@elsewhere")]
    [InlineData("nothing has to be combined", "--combine-mode", "link")]
    [InlineData("not in a cloud's snapshots", "--aws-region", "eu-west-1")]
    public async Task What_makes_no_sense_is_refused_with_a_line_that_says_why(string why, params string[] options)
    {
        await using var rig = new BarkeepRig();
        Directory.CreateDirectory(Path.Combine(rig.Home, "montagu", "repository"));
        await rig.RefusedAsync(ErrorKind.Usage, why, ["barman", "recover", "montagu", "auto", rig.RestoreDirectory, .. options]);
    }

    [Fact]
    public async Task R9_a_time_until_which_nothing_more_was_committed_is_reached_at_the_end_of_the_WAL()
    {
        await using var bench = await BenchAsync();
        var writer = await RowsAsync(bench, 3);
        var quiet = await bench.Cluster.ScalarAsync<DateTime>("SELECT clock_timestamp()");

        // Once the receiver has heard from the server since.
        var result = await Eventually.GivesAsync(
            () => RecoverAsync(bench, "--target-time", $"{quiet:O}"[..26] + "Z"), static r => r.ExitCode != (int)ErrorKind.TargetUnreachable, "the receiver hears from the server", TimeSpan.FromSeconds(90));
        Assert.Contains("nothing is known to have happened from there to the target", result.Checked().Output, StringComparison.Ordinal);
        await using var restored = await TestCluster.OnDirectoryAsync(bench.Rig.RestoreDirectory, bench.Cluster);
        await restored.StartAsync();
        await Eventually.IsTrueAsync(() => restored.ScalarAsync<bool>("SELECT pg_is_wal_replay_paused()"), "recovery pauses");
        Assert.Equal(RowWriter.Numbers(writer.Rows), await RowWriter.FoundAsync(restored));
        await restored.SqlAsync("SELECT pg_wal_replay_resume()");
        await restored.RecoveredAsync();

        // What lies ahead of all that was heard is not.
        var future = quiet.AddHours(1);
        var refused = await bench.BarmanAsync("recover", CommandBench.Server, "auto", bench.Rig.RestoreDirectory + "2", "--target-time", $"{future:O}"[..26] + "Z");
        Assert.Equal((int)ErrorKind.TargetUnreachable, refused.ExitCode);

        // Both are what targets says.
        var around = (await bench.BarmanAsync("targets", CommandBench.Server, "--around", $"{quiet:O}"[..26] + "Z")).Checked().Output;
        Assert.Contains("    then  nothing, until ", around, StringComparison.Ordinal);
        Assert.Contains("nothing is known to have happened after it", around, StringComparison.Ordinal);
        around = (await bench.BarmanAsync("targets", CommandBench.Server, "--around", $"{future:O}"[..26] + "Z")).Checked().Output;
        Assert.Contains("A restore to this time is not possible", around, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R9_a_subtransaction_is_refused_with_the_transaction_that_it_is_part_of()
    {
        await using var bench = await BenchAsync();
        var writer = await RowsAsync(bench, 2);
        await using var connection = await bench.Cluster.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand("BEGIN; INSERT INTO t VALUES (10); SAVEPOINT s; INSERT INTO t VALUES (11); RELEASE s; SELECT pg_current_xact_id()::text", connection);
        var whole = (string)(await command.ExecuteScalarAsync())!;
        command.CommandText = "SELECT xmin::text FROM t WHERE i = 11";
        var part = (string)(await command.ExecuteScalarAsync())!;
        command.CommandText = "COMMIT";
        await command.ExecuteNonQueryAsync();
        // What is noted of the segment is that a transaction of a lesser number ended in it.
        (await bench.BarmanAsync("switch-wal", "--archive", CommandBench.Server)).Checked();
        await writer.CommitAsync(bench.Cluster, 2);
        (await bench.BarmanAsync("switch-wal", "--archive", CommandBench.Server)).Checked();

        var refused = await RecoverAsync(bench, "--target-xid", part);
        Assert.Equal((int)ErrorKind.TargetUnreachable, refused.ExitCode);
        Assert.Contains($"transaction {part} is a subtransaction of transaction {whole}", refused.Error, StringComparison.Ordinal);
        Assert.Contains($"--target-xid {whole}", refused.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(bench.Rig.RestoreDirectory));
    }

    [Fact]
    public async Task With_get_wal_the_directory_has_only_the_backups_own_WAL_and_replay_gets_the_rest()
    {
        await using var bench = await BenchAsync(asPostgres: true);
        var writer = await RowsAsync(bench, 4);
        // With an epoch, as pg_current_xact_id() shows it: PostgreSQL compares the rest.
        var said = (await RecoverAsync(bench, "--get-wal", "--target-xid", $"{(3UL << 32) + writer.Rows[2].Xid}", "--target-action", "promote")).Checked();
        Assert.Contains("Checking the WAL that the restored server will get.", said.OutputLines);
        var segments = Directory.EnumerateFiles(Path.Combine(bench.Rig.RestoreDirectory, "pg_wal")).Select(static f => Path.GetFileName(f)).Where(static f => f.Length == 24).ToList();
        Assert.Single(segments);

        // 1 is the end of WAL; that it does not come from a program that cannot be loaded here, of which the loader says 1 too, is looked at.
        var setting = File.ReadLines(Path.Combine(bench.Rig.RestoreDirectory, "postgresql.auto.conf")).Last(static l => l.StartsWith("restore_command = '", StringComparison.Ordinal));
        var command = setting["restore_command = '".Length..^1].Replace("''", "'", StringComparison.Ordinal).Replace("%f", "0000000100000FFF00000001", StringComparison.Ordinal).Replace("%p", "x", StringComparison.Ordinal);
        Assert.Equal(1, (await Command.RunAsync("sh", "-c", command)).ExitCode);
        var program = command.Split('\'')[3];
        Assert.True(File.Exists(program), program);
        Assert.InRange((await Command.RunAsync("sh", "-c", command.Replace(program, "/bin/false", StringComparison.Ordinal))).ExitCode, 200, 255);

        await using var restored = await TestCluster.OnDirectoryAsync(bench.Rig.RestoreDirectory, bench.Cluster);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Equal(["1", "2", "3"], await RowWriter.FoundAsync(restored));
    }

    [Fact]
    public async Task A_standby_replays_what_is_received_until_it_is_promoted()
    {
        await using var bench = await BenchAsync(asPostgres: true);
        var writer = await RowsAsync(bench, 2);
        (await RecoverAsync(bench, "--standby-mode")).Checked();
        Assert.True(File.Exists(Path.Combine(bench.Rig.RestoreDirectory, "standby.signal")));
        Assert.False(File.Exists(Path.Combine(bench.Rig.RestoreDirectory, "recovery.signal")));
        await using var standby = await TestCluster.OnDirectoryAsync(bench.Rig.RestoreDirectory, bench.Cluster);
        await standby.StartAsync();
        await HasAsync(standby, 2);
        await writer.CommitAsync(bench.Cluster);
        (await bench.BarmanAsync("switch-wal", "--force", "--archive", CommandBench.Server)).Checked();
        await HasAsync(standby, 3);

        // It gets nothing from the original itself.
        Assert.Equal(["barman_receive_wal"], await bench.Cluster.ListAsync("SELECT application_name FROM pg_stat_replication"));
        Assert.Empty(await standby.ListAsync("SELECT status FROM pg_stat_wal_receiver"));
        await standby.PromoteAsync();
        await standby.SqlAsync("INSERT INTO t VALUES (100)");
    }

    static Task HasAsync(TestCluster standby, int rows) => Eventually.IsTrueAsync(
        async () => (await standby.ListAsync("SELECT 1 FROM pg_tables WHERE tablename = 't'")).Count == 1 && await standby.ScalarAsync<long>("SELECT count(*) FROM t") == rows, $"the standby has {rows} rows");

    static async Task<CommandBench> BenchAsync(bool asPostgres = false)
    {
        var bench = await CommandBench.StartAsync(new() { Configuration = ["autovacuum = off", "checkpoint_timeout = 1h", RowWriter.Setting] });
        if (asPostgres)
        {
            await bench.Rig.RunAsPostgresAsync();
        }
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        return bench;
    }

    // All of them received when this returns.
    static async Task<RowWriter> RowsAsync(CommandBench bench, int rows)
    {
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(bench.Cluster);
        await writer.CommitAsync(bench.Cluster, rows);
        (await bench.BarmanAsync("switch-wal", "--archive", CommandBench.Server)).Checked();
        return writer;
    }

    static Task<CommandResult> RecoverAsync(CommandBench bench, params string[] options) =>
        bench.BarmanAsync(["recover", CommandBench.Server, "auto", bench.Rig.RestoreDirectory, .. options]);
}
