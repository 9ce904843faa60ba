using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary><c>barman targets</c> of a real server, with what happened to it compared with what it shows.</summary>
public sealed class TargetsTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task It_shows_what_can_be_restored_and_what_happened_around_a_time(int version)
    {
        await using var bench = await CommandBench.StartAsync(new TestClusterOptions { Version = version });
        var cluster = bench.Cluster;
        // A catalog that has been rewritten lies in a file of another number.
        await cluster.SqlAsync("CREATE SCHEMA shop; CREATE TABLE shop.orders (i int PRIMARY KEY, t text); INSERT INTO shop.orders SELECT generate_series(1, 100)");
        await cluster.SqlAsync("CREATE TABLE emptied (i int)");
        await cluster.SqlAsync("CREATE TABLE migrated (i int)");
        await cluster.SqlAsync("CREATE DATABASE second");
        foreach (var catalog in (string[])["pg_class", "pg_namespace", "pg_database"])
        {
            await cluster.SqlAsync($"VACUUM FULL {catalog}");
        }
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        var file = await cluster.ScalarAsync<string>("SELECT pg_relation_filenode('shop.orders')::text");
        await cluster.SqlAsync("SELECT pg_create_restore_point('before the accident')");
        await cluster.SqlAsync("INSERT INTO shop.orders VALUES (0)");
        await cluster.SqlAsync("DROP DATABASE second");
        await cluster.SqlAsync("TRUNCATE emptied");
        await cluster.SqlAsync("BEGIN; DROP TABLE migrated; CREATE TABLE successor (i int); COMMIT");
        await cluster.SqlAsync("DROP TABLE shop.orders");
        var after = await cluster.ScalarAsync<string>("SELECT clock_timestamp()::text");
        await cluster.SqlAsync("CREATE TABLE later (i int)");
        var xid = await cluster.ScalarAsync<string>("SELECT txid_current()::text");
        (await bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();

        var text = (await bench.BarmanAsync("targets", "montagu", "--around", after)).Checked();
        var json = JsonNode.Parse((await bench.BarmanAsync("-f", "json", "targets", "montagu", "--around", after)).Checked().Output)!;

        var found = json["montagu"]!["clusters"]![0]!;
        var window = Assert.Single(found["windows"]!.AsArray())!;
        Assert.Equal(Assert.Single((await bench.BarmanAsync("list-backup", "montagu", "--minimal")).Checked().OutputLines), Assert.Single(window["backups"]!.AsArray())!.GetValue<string>());
        Assert.Null(window["ended_by"]);
        Assert.Equal("before the accident", Assert.Single(found["restore_points"]!.AsArray())!["name"]!.GetValue<string>());
        var around = Assert.Single(found["around"]!.AsArray())!;
        var loss = Assert.Single(around["losses"]!.AsArray(), l => l!["relation"]!.ToString() == file)!;
        Assert.Equal("dropped", loss["kind"]!.GetValue<string>());
        Assert.Equal("postgres.shop.orders", loss["name"]!.GetValue<string>());
        // Which of the two, the WAL does not tell where the transaction has made anything else.
        foreach (var table in (string[])["emptied", "migrated"])
        {
            var either = Assert.Single(around["losses"]!.AsArray(), l => l!["name"]?.ToString() == $"postgres.public.{table}")!;
            Assert.Equal("dropped_or_replaced", either["kind"]!.GetValue<string>());
            Assert.Single(text.OutputLines, l => l.Contains($": table postgres.public.{table} (", StringComparison.Ordinal) && l.Contains(") dropped or replaced, by DROP, TRUNCATE or a rewrite, transaction", StringComparison.Ordinal));
        }
        Assert.Equal("database_dropped", Assert.Single(around["losses"]!.AsArray(), static l => l!["name"]?.ToString() == "second")!["kind"]!.GetValue<string>());
        // A restore to just after the drop has it, and stops before what came next.
        var target = around["target_time"]!;
        Assert.True(target["is_reachable"]!.GetValue<bool>());
        Assert.Equal(loss["lsn"]!.GetValue<string>(), target["last_commit"]!["lsn"]!.GetValue<string>());
        Assert.Equal(loss["xid"]!.GetValue<uint>(), target["last_commit"]!["xid"]!.GetValue<uint>());
        Assert.Equal(ulong.Parse(xid, CultureInfo.InvariantCulture), window["last_commit"]!["xid"]!.GetValue<ulong>());

        Assert.Contains(text.OutputLines, l => l.Contains($": table postgres.shop.orders (file 1663/", StringComparison.Ordinal) && l.EndsWith($"/{file}) dropped, transaction {loss["xid"]}, begun at {loss["begin_lsn"]}", StringComparison.Ordinal));
        // Its index is not worth a line of its own.
        Assert.DoesNotContain(text.OutputLines, static l => l.Contains("orders_pkey", StringComparison.Ordinal));
        Assert.Contains(text.OutputLines, static l => l.Contains("timeline 1: before the accident", StringComparison.Ordinal));
        Assert.Contains(text.OutputLines, l => l.Contains($"everything up to transaction {loss["xid"]}", StringComparison.Ordinal));

        // Just before the drop the table is there, and locked.
        var before = DateTimeOffset.Parse(loss["time"]!.ToString(), CultureInfo.InvariantCulture).AddMicroseconds(-1).ToString("yyyy-MM-dd HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);
        var locked = (await bench.BarmanAsync("targets", "montagu", "--around", before)).Checked();
        Assert.Contains(locked.OutputLines, l => l.Contains($"Transaction {loss["xid"]} is in progress there, and holds locked: table postgres.shop.orders", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_time_that_cannot_be_read_and_minutes_without_a_time_are_refused()
    {
        await using var rig = new BarkeepRig();
        var time = await rig.RunAsync("barman", "targets", "montagu", "--around", "yesterday");
        Assert.Equal((2, ""), (time.ExitCode, time.Output));
        Assert.Contains("'yesterday' is not a time", time.Error, StringComparison.Ordinal);
        var minutes = await rig.RunAsync("barman", "targets", "montagu", "--minutes", "3");
        Assert.Equal(2, minutes.ExitCode);
        Assert.Contains("--around", minutes.Error, StringComparison.Ordinal);
    }
}
