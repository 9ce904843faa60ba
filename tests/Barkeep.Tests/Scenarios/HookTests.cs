using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Receiving;
using Barkeep.Tests.Rig;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class HookTests
{
    // Each call of a script appends a line; its environment goes into a file of its own.
    // What is there is there whole: tests wait for it.
    static string Recording(Scratch scratch, string more = "") =>
        $"echo \"$BARMAN_PHASE $BARMAN_HOOK $BARMAN_RETRY $BARMAN_STATUS $BARMAN_ERROR\" >> {scratch.Path}/calls; env | grep -v '^_=' > {scratch.Path}/env; mv {scratch.Path}/env {scratch.Path}/env.$BARMAN_PHASE.$BARMAN_HOOK; {more}";

    [Fact]
    public async Task Scripts_run_around_a_backup_a_deletion_and_a_restore_with_what_Barman_tells_them()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        bench.Configure([.. ((string[])["backup", "delete", "recovery"]).SelectMany(static s => (string[])[$"pre_{s}_script", $"pre_{s}_retry_script", $"post_{s}_retry_script", $"post_{s}_script"])
            .Select(k => (k, (JsonNode?)Recording(scratch, "exit 0")))]);
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var ids = (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines;
        Assert.Equal(
            ["pre backup_script 0 STARTED ", "pre backup_retry_script 1 STARTED ", "post backup_retry_script 1 DONE ", "post backup_script 0 DONE "],
            Calls(scratch)[4..]);
        var environment = EnvironmentOf(scratch, "post.backup_script");
        Assert.Equal(ids[0], environment["BARMAN_BACKUP_ID"]);
        Assert.Equal(ids[1], environment["BARMAN_PREVIOUS_ID"]);
        Assert.Equal("", environment["BARMAN_NEXT_ID"]);
        Assert.Equal("montagu", environment["BARMAN_SERVER"]);
        Assert.True(Directory.Exists(environment["BARMAN_BACKUP_DIR"]));
        Assert.Equal(Path.Combine(bench.Rig.ConfigDirectory, "montagu.json"), environment["BARMAN_CONFIGURATION"]);
        Assert.NotEqual("", environment["BARMAN_VERSION"]);

        using var target = new Scratch("target");
        File.Delete(Path.Combine(scratch.Path, "calls"));
        (await bench.BarmanAsync("recover", "montagu", "oldest", target.Path)).Checked();
        Assert.Equal(4, Calls(scratch).Length);
        environment = EnvironmentOf(scratch, "post.recovery_script");
        Assert.Equal(target.Path, environment["BARMAN_DESTINATION_DIRECTORY"]);
        Assert.Equal(ids[1], environment["BARMAN_BACKUP_ID"]);
        Assert.Equal(ids[0], environment["BARMAN_NEXT_ID"]);
        Assert.Equal("{}", environment["BARMAN_TABLESPACES"]);

        (await bench.BarmanAsync("delete", "montagu", ids[1])).Checked();
        Assert.Equal(ids[1], EnvironmentOf(scratch, "pre.delete_script")["BARMAN_BACKUP_ID"]);
        Assert.Equal(ids[1], EnvironmentOf(scratch, "post.delete_script")["BARMAN_BACKUP_ID"]);
    }

    [Fact]
    public async Task A_retrying_script_runs_until_it_is_done_and_63_stops_what_it_precedes()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");

        // It fails once, as if for a while, then says go on.
        bench.Configure(("pre_backup_retry_script", Recording(scratch, $"test $(wc -l < {scratch.Path}/calls) -ge 2 && exit 62; exit 1")), ("post_backup_retry_script", "exit 63"));
        var taken = await bench.BarmanAsync("backup", "--wait", "montagu");
        taken.Checked();
        Assert.Equal(2, Calls(scratch).Length);
        Assert.Contains("post_backup_retry_script", taken.Error, StringComparison.Ordinal);

        bench.Configure(("pre_backup_retry_script", "exit 63"), ("pre_delete_retry_script", "exit 63"), ("post_backup_script", Recording(scratch)));
        var stopped = await bench.BarmanAsync("backup", "montagu");
        Assert.Equal(1, stopped.ExitCode);
        Assert.Contains("pre_backup_retry_script", stopped.Error, StringComparison.Ordinal);
        Assert.StartsWith("post backup_script 0 FAILED pre_backup_retry_script", Calls(scratch)[^1], StringComparison.Ordinal);
        Assert.Contains("FAILED", (await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines[0], StringComparison.Ordinal);
        var kept = await bench.BarmanAsync("delete", "montagu", "latest");
        Assert.NotEqual(0, kept.ExitCode);
        Assert.Contains("pre_delete_retry_script", kept.Error, StringComparison.Ordinal);
        Assert.Single((await bench.BarmanAsync("list-backup", "montagu")).Checked().OutputLines, static l => !l.Contains("FAILED", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cron_gives_up_a_retrying_script_that_goes_on_failing_and_the_next_cron_tries_again()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync();
        (await bench.BarmanAsync("switch-wal", "--archive", "--force", "montagu")).Checked();
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var ids = (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines;
        bench.Configure(("retention_policy", "REDUNDANCY 1"), ("pre_delete_retry_script", Recording(scratch, "exit 1")));
        var cron = (await bench.BarmanAsync("cron")).Checked();
        Assert.Contains($"Skipping delete of backup {ids[1]} for server montagu as pre_delete_retry_script of server montagu goes on failing (exit code 1)", cron.Output, StringComparison.Ordinal);
        Assert.Equal(4, Calls(scratch).Length);
        Assert.Equal(ids, (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);

        bench.Configure(("retention_policy", "REDUNDANCY 1"), ("pre_delete_retry_script", Recording(scratch, "exit 0")), ("post_delete_retry_script", "exit 1"));
        Assert.Contains("post_delete_retry_script of server montagu goes on failing", (await bench.BarmanAsync("cron")).Checked().Error, StringComparison.Ordinal);
        Assert.Equal([ids[0]], (await bench.BarmanAsync("list-backup", "--minimal", "montagu")).Checked().OutputLines);
    }

    [Fact]
    public async Task A_script_that_fails_or_hangs_does_not_keep_a_backup_from_being_taken_and_is_reported()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        bench.Configure(
            ("hook_timeout", 1), ("pre_backup_script", "exit 7"), ("pre_backup_retry_script", $"echo $$ > {scratch.Path}/pid; sleep 300"),
            // What it leaves running in the background is nobody's concern.
            ("post_backup_script", $"sleep 30 & echo $! > {scratch.Path}/background"));
        var taken = await bench.BarmanAsync("backup", "--wait", "montagu");
        taken.Checked();
        Assert.Contains("pre_backup_script of server montagu has ended with exit code 7", taken.Error, StringComparison.Ordinal);
        Assert.Contains("pre_backup_retry_script of server montagu has not ended within 1 s and was killed", taken.Error, StringComparison.Ordinal);
        Assert.False(ProcessTable.IsRunning(int.Parse(File.ReadAllText(Path.Combine(scratch.Path, "pid")), System.Globalization.CultureInfo.InvariantCulture)));
        Signal.Kill.Send(int.Parse(File.ReadAllText(Path.Combine(scratch.Path, "background")), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_script_that_hangs_as_another_user_cannot_be_killed_and_the_backup_is_taken()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.StartAsync();
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        // What sudo does.
        var (become, pid) = (Path.Combine(scratch.Path, "become"), Path.Combine(scratch.Path, "pid"));
        File.Copy("/usr/bin/setpriv", become);
        File.SetUnixFileMode(scratch.Path, File.GetUnixFileMode(scratch.Path) | UnixFileMode.OtherExecute | UnixFileMode.OtherRead);
        File.SetUnixFileMode(become, UnixFileMode.SetUser | UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        bench.Configure(("hook_timeout", 1), ("pre_backup_script", $"{become} --reuid 0 sh -c 'echo $$ > {pid}; exec sleep 300'"));
        var taken = await bench.BarmanAsync("backup", "--wait", "montagu");
        Signal.Kill.Send(int.Parse(File.ReadAllText(pid), System.Globalization.CultureInfo.InvariantCulture));
        taken.Checked();
        Assert.Contains("pre_backup_script of server montagu has started what cannot be killed", taken.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receiver_that_can_archive_no_more_for_a_reason_nobody_thought_of_ends()
    {
        await using var reception = await Reception.PrepareAsync();
        var config = reception.Config with { Hooks = new Dictionary<string, string> { ["pre_archive_script"] = "echo unthinkable" } };
        using var stop = new CancellationTokenSource();
        var receiving = new WalReceiver(config, reception.Locations, TimeProvider.System, new BrokenLog()).RunAsync(stop.Token);
        try
        {
            await reception.WriteAsync(2);
            await Assert.ThrowsAsync<InvalidOperationException>(() => receiving.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken));
        }
        finally
        {
            await stop.CancelAsync();
        }
        Assert.Equal(ReceiverPhase.Stopped, reception.State?.Phase);

        // Whoever starts it again loses nothing.
        reception.Start();
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        Assert.True(await reception.AssertEqualsServerAsync() > 0);
    }

    /// <summary>Fails on what the script of the test prints.</summary>
    sealed class BrokenLog : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).EndsWith("unthinkable", StringComparison.Ordinal))
            {
                throw new InvalidOperationException("unthinkable");
            }
        }
    }

    [Fact]
    public async Task A_script_that_hangs_before_segments_are_removed_costs_cron_one_timeout_and_the_rest_stays()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        await bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 4000)");
        (await bench.BarmanAsync("backup", "--wait", "montagu")).Checked();
        var before = Segments();
        bench.Configure(("hook_timeout", 1), ("pre_wal_delete_script", $"echo $BARMAN_SEGMENT >> {scratch.Path}/calls; sleep 300"));
        var cron = (await bench.BarmanAsync("cron")).Checked();
        var asked = Assert.Single(Calls(scratch));
        Assert.Contains("pre_wal_delete_script of server montagu has not ended within 1 s", cron.Error, StringComparison.Ordinal);
        Assert.Contains("a wal_delete script of server montagu hangs", cron.Error, StringComparison.Ordinal);
        Assert.Equal([asked], before.Except(Segments()));
        (await bench.BarmanAsync("gc", "montagu")).Checked();
        Assert.Equal(2, before.Except(Segments()).Count());

        // When it hangs no more the next run goes on.
        bench.Configure();
        (await bench.BarmanAsync("cron")).Checked();
        Assert.True(before.Except(Segments()).Count() >= 3);

        List<string> Segments() => [.. Directory.EnumerateFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), "0000*", SearchOption.AllDirectories).Where(static f => f.Contains("/wal/", StringComparison.Ordinal)).Select(static f => Path.GetFileName(f)!)];
    }

    [Fact]
    public async Task No_secret_is_in_the_environment_of_a_script()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        bench.Configure(("pre_backup_script", Recording(scratch)), ("pass_backup", null));
        bench.Rig.Environment["BARMAN_MONTAGU_PASS_BACKUP"] = bench.Roles.BackupPassword;
        (await bench.BarmanAsync("backup", "montagu")).Checked();
        var environment = File.ReadAllText(Path.Combine(scratch.Path, "env.pre.backup_script"));
        Assert.DoesNotContain(bench.Roles.BackupPassword, environment, StringComparison.Ordinal);
        Assert.DoesNotContain(bench.Roles.StreamPassword, environment, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_script_that_hangs_while_WAL_is_archived_does_not_delay_its_acknowledgement()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.StartAsync();
        var go = Path.Combine(scratch.Path, "go");
        bench.Configure(
            ("pre_archive_script", Recording(scratch, $"while ! test -e {go}; do sleep 0.1; done")),
            ("post_archive_script", Recording(scratch, $"cp \"$BARMAN_FILE\" {scratch.Path}/copied")));
        (await bench.Rig.RunAsync("setup-barman", "--no-initial-backup")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int); SELECT pg_switch_wal()");
        await Eventually.IsTrueAsync(() => File.Exists(Path.Combine(scratch.Path, "calls")), "the script has begun");

        // With the archiver stuck in it, what is committed now is acknowledged all the same.
        await bench.Cluster.SqlAsync("ALTER SYSTEM SET synchronous_standby_names = 'barman_receive_wal'; SELECT pg_reload_conf()");
        await bench.Cluster.SqlAsync("INSERT INTO t VALUES (1)");
        var segments = Directory.EnumerateFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), "0000*", SearchOption.AllDirectories).Count();

        File.WriteAllText(go, "");
        await Eventually.IsTrueAsync(() => File.Exists(Path.Combine(scratch.Path, "env.post.archive_script")), "the segment is archived");
        var environment = EnvironmentOf(scratch, "post.archive_script");
        Assert.Equal(24, environment["BARMAN_SEGMENT"].Length);
        Assert.Equal("1048576", environment["BARMAN_SIZE"]);
        await Eventually.IsTrueAsync(() => File.Exists(Path.Combine(scratch.Path, "copied")) && new FileInfo(Path.Combine(scratch.Path, "copied")).Length == 1 << 20, "the script had the segment");
        Assert.True(segments < Directory.EnumerateFiles(Path.Combine(bench.Rig.Home, "montagu/repository"), "0000*", SearchOption.AllDirectories).Count());
    }

    [Fact]
    public async Task A_segment_that_a_server_hands_over_has_its_scripts_run_once_and_one_that_is_refused_is_not_stored()
    {
        using var scratch = new Scratch("hooks");
        await using var bench = await CommandBench.SetUpAsync(null, "--no-initial-backup");
        (await bench.BarmanAsync("receive-wal", "--stop", "montagu")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE first (i int)");
        var name = await bench.Cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        var path = Path.Combine(bench.Cluster.DataDirectory, "pg_wal", name);

        // By wal-archive, which one script does not want at first.
        bench.Configure(("pre_archive_retry_script", "exit 63"), ("post_archive_script", Recording(scratch)));
        var unwanted = await bench.BarmanAsync("wal-archive", "montagu", path);
        Assert.Equal((int)ErrorKind.Failed, unwanted.ExitCode);
        Assert.Contains("ERROR: pre_archive_retry_script of server montagu has asked to stop", unwanted.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(scratch.Path, "calls")));
        Assert.Equal(1, (await bench.BarmanAsync("get-wal", "montagu", name)).ExitCode);
        bench.Configure([.. ((string[])["pre_archive_script", "pre_archive_retry_script", "post_archive_retry_script", "post_archive_script"])
            .Select(k => (k, (JsonNode?)Recording(scratch, $"cp \"$BARMAN_FILE\" {scratch.Path}/copied; exit 0")))]);
        (await bench.BarmanAsync("wal-archive", "montagu", path)).Checked();
        string[] each = ["pre archive_script 0  ", "pre archive_retry_script 1  ", "post archive_retry_script 1  ", "post archive_script 0  "];
        Assert.Equal(each, Calls(scratch));
        var environment = EnvironmentOf(scratch, "post.archive_script");
        Assert.Equal((name, "1048576", ""), (environment["BARMAN_SEGMENT"], environment["BARMAN_SIZE"], environment["BARMAN_COMPRESSION"]));
        Assert.Equal(name, Path.GetFileName(environment["BARMAN_FILE"]));
        Assert.False(Path.Exists(Path.GetDirectoryName(environment["BARMAN_FILE"])));
        Assert.Equal(await File.ReadAllBytesAsync(path), await File.ReadAllBytesAsync(Path.Combine(scratch.Path, "copied")));

        // What is there already runs none, by put-wal either, which brings the next one.
        (await bench.BarmanAsync("wal-archive", "montagu", path)).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int)");
        var next = await bench.Cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        var send = $"cd {Path.GetDirectoryName(path)} && sha256sum -b {name} {next} > {scratch.Path}/SHA256SUMS && tar -c {name} {next} -C {scratch.Path} SHA256SUMS | {bench.Rig.LinkDirectory}/barman put-wal montagu";
        (await Command.RunAsync(["sh", "-c", send], bench.Rig.Environment.ToDictionary(static v => v.Key, static v => (string?)v.Value), Eventually.Deadline)).Checked();
        Assert.Equal([.. each, .. each], Calls(scratch));
        Assert.Equal(next, EnvironmentOf(scratch, "post.archive_script")["BARMAN_SEGMENT"]);
    }

    static string[] Calls(Scratch scratch) => File.ReadAllLines(Path.Combine(scratch.Path, "calls"));

    static Dictionary<string, string> EnvironmentOf(Scratch scratch, string hook) =>
        File.ReadAllLines(Path.Combine(scratch.Path, $"env.{hook}")).Select(static l => l.Split('=', 2)).ToDictionary(static l => l[0], static l => l[1]);
}
