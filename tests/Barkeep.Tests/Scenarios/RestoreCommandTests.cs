using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Restores by the program itself: killed, as root and as others.</summary>
public sealed partial class RestoreCommandTests(RestorableCluster cluster)
{
    [Theory]
    [InlineData("mkdirat:signal=KILL:when=7")]
    [InlineData("openat2:signal=KILL:when=60")]
    [InlineData("pwrite64:signal=KILL:when=3")]
    [InlineData("pwrite64:signal=KILL:when=150")]
    [InlineData("symlinkat:signal=KILL:when=1")]
    [InlineData("syncfs:signal=KILL:when=1")]
    public async Task R3_after_kill_9_PostgreSQL_does_not_start_and_the_next_restore_says_what_to_do(string kill)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var target = rig.RestoreDirectory;
        var killed = await rig.RunAsync(new Strace(kill), "restore-last");
        Assert.Equal(137, killed.ExitCode);

        // PostgreSQL refuses.
        Assert.True(File.Exists(Path.Combine(target, "barkeep.unfinished-restore")));
        await using (var half = await TestCluster.OnDirectoryAsync(target, source.Source))
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => half.StartAsync());
        }

        // So does a restore, with the way out; it works.
        var again = await rig.RunAsync("restore-last");
        Assert.Equal((int)ErrorKind.TargetNotEmpty, again.ExitCode);
        Assert.Contains("has not ended", again.Error, StringComparison.Ordinal);
        Assert.Contains("empty the directory", again.Error, StringComparison.Ordinal);
        (await Command.RunAsync("find", target, "-mindepth", "1", "-delete")).Checked();
        (await rig.RunAsync("restore-last")).Checked();
        await using (await source.StartAsync(target))
        {
        }
    }

    [Fact]
    public async Task R3_an_interrupted_restore_says_what_it_leaves()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        // Late enough for the signal to be heard before all is written.
        var file = Path.Combine(rig.RestoreDirectory, "global/1262");
        await using var process = rig.Start(new Strace("pwrite64:delay_enter=3000000", file), "restore-last");
        await Eventually.IsTrueAsync(() => File.Exists(file), "it writes");
        process.Send(Signal.Interrupt);
        var result = await process.ExitAsync();
        Assert.True((int)ErrorKind.Interrupted == result.ExitCode, result.ToString());
        Assert.Contains($"the restore into {rig.RestoreDirectory} is unfinished", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(rig.RestoreDirectory, "global/pg_control")));
    }

    [Fact]
    public async Task R3_a_disk_that_fails_to_flush_fails_the_restore()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var result = await rig.RunAsync(new Strace("syncfs:error=EIO"), "restore-last");
        Assert.Equal((int)ErrorKind.Storage, result.ExitCode);
        Assert.False(File.Exists(Path.Combine(rig.RestoreDirectory, "global/pg_control")));
        Assert.Contains("flushing", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R6_as_root_files_go_to_the_owner_of_the_directory()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        (await Command.RunAsync("chown", "12345:23456", rig.RestoreDirectory)).Checked();
        (await rig.RunAsync("restore-last")).Checked();
        await AssertOwnedAsync(rig.RestoreDirectory, 12345, 23456, "700", "600");
    }

    [Fact]
    public async Task R6_as_root_in_roots_directory_files_go_to_the_user_postgres()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        (await rig.RunAsync("restore-last")).Checked();
        await AssertOwnedAsync(rig.RestoreDirectory, PostgresUser.Uid, PostgresUser.Gid, "700", "600");
    }

    [Theory]
    [InlineData("4711", 4711, 4711)]
    [InlineData("4711:4712", 4711, 4712)]
    [InlineData("daemon", 1, 1)]
    [InlineData("daemon:bin", 1, 2)]
    public async Task R6_as_root_files_go_to_the_owner_that_is_asked_for(string owner, int uid, int gid)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        (await rig.RunAsync("restore-last", "--owner", owner)).Checked();
        await AssertOwnedAsync(rig.RestoreDirectory, uid, gid, "700", "600");
    }

    [Fact]
    public async Task R6_an_owner_that_is_nobody_here_or_cannot_be_given_is_refused()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var unknown = await rig.RunAsync("restore-last", "--owner", "nosuchuser");
        Assert.Equal((int)ErrorKind.Usage, unknown.ExitCode);
        await rig.RunAsPostgresAsync();
        var foreign = await rig.RunAsync("restore-last", "--owner", "daemon");
        Assert.Equal((int)ErrorKind.Usage, foreign.ExitCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.RestoreDirectory));
    }

    [Fact]
    public async Task R6_any_unprivileged_user_restores_for_itself_and_not_into_the_directory_of_another()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        rig.User = (31337, 31337);
        var refused = await rig.RunAsync("restore-last");
        Assert.True((int)ErrorKind.TargetUnwritable == refused.ExitCode, refused.ToString());
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.RestoreDirectory));

        (await Command.RunAsync("chown", "31337:31337", rig.RestoreDirectory)).Checked();
        (await Command.RunAsync("chown", "--recursive", "31337:31337", rig.Home)).Checked();
        (await rig.RunAsync("restore-last")).Checked();
        await AssertOwnedAsync(rig.RestoreDirectory, 31337, 31337, "700", "600");
    }

    [Theory]
    [InlineData("--get-wal")]
    [InlineData("--standby-mode")]
    public async Task R6_as_root_WAL_that_the_owner_of_the_files_could_not_get_is_refused_before_anything_is_written(string option)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var closed = Path.Combine(rig.Home, HandMadeBackup.Server);
        File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string[] line = ["barman", "restore", HandMadeBackup.Server, "latest", rig.RestoreDirectory, option];
        foreach (var refused in new[] { await rig.RunAsync(line), await rig.RunAsync([.. line, "--dry-run"]) })
        {
            Assert.Equal((int)ErrorKind.Storage, refused.ExitCode);
            Assert.Contains($"it will run as uid {PostgresUser.Uid}, to whom the files are given, and {closed} is open to uid 0 alone (leave --get-wal out", refused.Error, StringComparison.Ordinal);
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.RestoreDirectory));
        // By a command of one's own, or where the files stay with whom the repository belongs to, it may work.
        (await rig.RunAsync([.. line[..^1], "--restore-command", "cp /nowhere/%f %p", "--target-immediate", "--dry-run"])).Checked();
        (await rig.RunAsync([.. line[..^1], "--get-wal", "--owner", "0", "--target-immediate", "--dry-run"])).Checked();
    }

    [Fact]
    public async Task R6_a_cluster_with_group_access_is_restored_with_group_access_and_starts()
    {
        await using var server = await TestCluster.StartNewAsync();
        await using var rig = new BarkeepRig();
        using var backup = new HandMadeBackup(server, rig.Home) { GroupAccess = true };
        await backup.TakeAsync();
        Configure(rig);
        // Whatever the umask.
        (await rig.RunAsync("restore-last")).Checked();
        await AssertOwnedAsync(rig.RestoreDirectory, PostgresUser.Uid, PostgresUser.Gid, "750", "640");
        await using var restored = await TestCluster.OnDirectoryAsync(rig.RestoreDirectory, server);
        await restored.StartAsync();
        await restored.RecoveredAsync();
    }

    [Fact]
    public async Task B24_a_repository_that_cannot_be_written_can_be_restored_from()
    {
        var source = await cluster.GetAsync();
        await using var disk = await LoopDisk.CreateAsync(100);
        (await Command.RunAsync("cp", "--recursive", $"{source.Home}/.", disk.MountPoint)).Checked();
        await disk.RemountAsync(readOnly: true);
        await using var rig = new BarkeepRig();
        rig.Environment["BARKEEP_HOME"] = disk.MountPoint;
        Configure(rig);
        (await rig.RunAsync("restore-last")).Checked();
        await using (await source.StartAsync(rig.RestoreDirectory))
        {
        }
    }

    [Theory]
    [InlineData("manifest")]
    [InlineData("format")]
    public async Task B24_files_that_root_left_are_named_to_the_user_who_cannot_read_them(string name)
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        await rig.RunAsPostgresAsync();
        var file = Directory.EnumerateFiles(rig.Home, name, SearchOption.AllDirectories).First();
        (await Command.RunAsync("chown", "0:0", file)).Checked();
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var result = await rig.RunAsync("restore-last");
        Assert.Equal((int)ErrorKind.Storage, result.ExitCode);
        Assert.Matches($"{name}( in [^:]+)?: Permission denied", result.Error);
        Assert.Contains($"uid {PostgresUser.Uid}", result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(rig.RestoreDirectory));
    }

    [Fact]
    public async Task What_is_done_is_told_step_by_step_as_Barman_tells_it()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var target = rig.RestoreDirectory;
        var result = (await rig.RunAsync("barman", "recover", HandMadeBackup.Server, "latest", target, "--retry-times", "3", "--no-retry", "--target-immediate", "--target-action", "promote")).Checked();

        Assert.Equal(["WARNING: --retry-times, --no-retry mean nothing here and change nothing"], result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        var oid = await source.Source.ScalarAsync<string>("SELECT oid::text FROM pg_tablespace WHERE spcname = 'elsewhere'");
        Assert.Equal(
            [
                $"Starting local restore for server montagu using backup {source.Backup}",
                $"Destination directory: {target}",
                "Doing PITR. Recovery target immediate: 'immediate'",
                $"\t{oid}, elsewhere, {target}/tablespaces/{oid}",
                "Copying required WAL segments.",
                "Generating archive status files",
                "Copying the base backup.",
                "Identify dangerous settings in destination directory.",
                "Generating recovery configuration",
                "Flushing to disk.",
                "",
                "IMPORTANT",
                "These settings have been modified to prevent data losses",
                "",
                "postgresql.auto.conf line N: hot_standby = off",
                "postgresql.auto.conf line N: max_logical_replication_workers = 0",
                "",
            ],
            LineNumber().Replace(result.Output, "line N:").Split('\n').TakeWhile(static line => !line.StartsWith("Restored backup", StringComparison.Ordinal)));
        Assert.EndsWith("Your PostgreSQL server has been successfully prepared for recovery!\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_is_found_by_the_name_that_it_was_given()
    {
        await using var server = await TestCluster.StartNewAsync();
        await using var rig = new BarkeepRig();
        using var backup = new HandMadeBackup(server, rig.Home) { Name = "weekly" };
        var weekly = await backup.TakeAsync();
        backup.Name = null;
        await backup.TakeAsync();
        Configure(rig);
        var plan = (await rig.RunAsync("barman", "-f", "json", "recover", HandMadeBackup.Server, "weekly", rig.RestoreDirectory, "--dry-run")).Checked();
        Assert.Equal($"{weekly}", (string?)JsonNode.Parse(plan.Output)!["backup_id"]);
        Assert.Equal((int)ErrorKind.UnknownBackup, (await rig.RunAsync("barman", "recover", HandMadeBackup.Server, "monthly", rig.RestoreDirectory)).ExitCode);

        // Which of two is meant nobody can know.
        backup.Name = "weekly";
        var other = await backup.TakeAsync();
        await rig.RefusedAsync(ErrorKind.UnknownBackup, $"2 backups of server '{HandMadeBackup.Server}' are called 'weekly': {weekly}, {other} (say which by its id)", "barman", "recover", HandMadeBackup.Server, "weekly", rig.RestoreDirectory);
    }

    [Fact]
    public async Task A_restore_whose_servers_configuration_cannot_be_read_warns_that_no_scripts_run_and_says_nothing_where_there_is_none()
    {
        var source = await cluster.GetAsync();
        await using var rig = Rig(source);
        var file = Path.Combine(rig.ConfigDirectory, $"{HandMadeBackup.Server}.json");
        await File.WriteAllTextAsync(file, "{");
        var warned = (await rig.RunAsync("barman", "recover", HandMadeBackup.Server, "latest", Path.Combine(rig.RestoreDirectory, "first"))).Checked().Error;
        Assert.Contains("WARNING: no scripts run before and after this restore", warned, StringComparison.Ordinal);
        Assert.Contains($"{file} is malformed JSON", warned, StringComparison.Ordinal);
        File.Delete(file);
        var silent = (await rig.RunAsync("barman", "recover", HandMadeBackup.Server, "latest", Path.Combine(rig.RestoreDirectory, "second"))).Checked().Error;
        Assert.DoesNotContain("scripts", silent, StringComparison.Ordinal);
    }

    static BarkeepRig Rig(RestorableCluster.State source)
    {
        var rig = new BarkeepRig();
        CopyTree(source.Home, rig.Home);
        Configure(rig);
        return rig;
    }

    // For a restore only the file's name counts.
    static void Configure(BarkeepRig rig) => File.WriteAllText(Path.Combine(rig.ConfigDirectory, $"{HandMadeBackup.Server}.json"), "{}");

    static void CopyTree(string from, string to)
    {
        foreach (var directory in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        }
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
        }
    }

    static async Task AssertOwnedAsync(string directory, int uid, int gid, string directoryMode, string fileMode)
    {
        var wrong = await Command.RunAsync("find", directory, "-not", "(", "-uid", Text(uid), "-gid", Text(gid), "(", "-type", "l", "-or", "-type", "d", "-perm", directoryMode, "-or", "-type", "f", "-perm", fileMode, ")", ")");
        Assert.Equal("", wrong.Checked().Output);
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"line \d+:")]
    private static partial Regex LineNumber();
}
