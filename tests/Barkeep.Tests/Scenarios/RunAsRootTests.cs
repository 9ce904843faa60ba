using System.Globalization;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>One command that was run as root, where all others are run as another user.</summary>
public sealed class RunAsRootTests
{
    [Fact]
    public async Task What_root_makes_belongs_to_whom_the_home_does_and_keeps_nobody_out()
    {
        await using var bench = await BenchAsync();
        (await AsRootAsync(bench, "keep", "montagu", "latest", "--target", "full")).Checked();
        (await AsRootAsync(bench, "backup", "--wait", "montagu")).Checked();
        (await AsRootAsync(bench, "receive-wal", "--stop", "montagu")).Checked();
        (await AsRootAsync(bench, "cron")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 10000) i");
        (await AsRootAsync(bench, "switch-wal", "--archive", "montagu")).Checked();
        (await AsRootAsync(bench, "receive-wal", "--stop", "montagu")).Checked();
        Assert.Equal("", (await Command.RunAsync("find", bench.Rig.Home, "-not", "-uid", PostgresUser.Uid.ToString(CultureInfo.InvariantCulture))).Checked().Output);

        (await bench.BarmanAsync("cron")).Checked();
        (await bench.BarmanAsync("keep", "montagu", "oldest", "--release")).Checked();
        await Eventually.IsTrueAsync(async () => (await bench.BarmanAsync("check", "montagu")).ExitCode == 0, "all is well");
        (await bench.BarmanAsync("delete", "montagu", "oldest")).Checked();
        (await bench.BarmanAsync("verify-backup", "montagu", "latest")).Checked();
    }

    [Fact]
    public async Task A_lock_that_is_roots_fails_the_check_and_cron_does_not_say_that_it_removes_what_it_cannot()
    {
        await using var bench = await BenchAsync();
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var file = Path.Combine(bench.Rig.Home, ".montagu-catalog.lock");
        File.WriteAllText(file, "");
        bench.Rig.Environment["BARMAN_MONTAGU_RETENTION_POLICY"] = "REDUNDANCY 1";

        var cron = await bench.BarmanAsync("cron");
        Assert.Equal((int)ErrorKind.Storage, cron.ExitCode);
        Assert.DoesNotContain("removing", cron.Output, StringComparison.Ordinal);
        var check = await bench.BarmanAsync("check", "montagu");
        Assert.Equal((int)ErrorKind.Failed, check.ExitCode);
        Assert.Contains($"\tdirectories: FAILED (opening lock file {file}: ", check.Output, StringComparison.Ordinal);

        (await Command.RunAsync("chown", $"{PostgresUser.Uid}:{PostgresUser.Gid}", file)).Checked();
        Assert.Contains("Enforcing retention policy: removing backup ", (await bench.BarmanAsync("cron")).Checked().Output, StringComparison.Ordinal);
        Assert.Single((await bench.BarmanAsync("list-backup", "montagu", "--minimal")).Checked().OutputLines);
    }

    static async Task<CommandBench> BenchAsync()
    {
        var bench = await CommandBench.StartAsync(new() { Configuration = ["autovacuum = off"] });
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        return bench;
    }

    static async Task<CommandResult> AsRootAsync(CommandBench bench, params IEnumerable<string> arguments)
    {
        var user = bench.Rig.User;
        bench.Rig.User = null;
        try
        {
            return await bench.BarmanAsync(arguments);
        }
        finally
        {
            bench.Rig.User = user;
        }
    }
}
