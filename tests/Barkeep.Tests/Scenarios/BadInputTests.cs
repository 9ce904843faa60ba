using Barkeep.Common;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// Command lines and configurations that cannot be used. Each gives one clear line and an exit code of its own, and leaves
/// everything as it was. Bad servers are in <see cref="BadServerTests"/>, bad repositories and targets in BadRepositoryTests.
/// </summary>
public sealed class BadInputTests : IAsyncLifetime
{
    const string Good = """{ "host": "127.0.0.1", "port": 1, "pass_backup": "x", "pass_stream": "x" }""";

    readonly BarkeepRig _rig = new();

    public async ValueTask InitializeAsync() => await ConfigureAsync("montagu", Good);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Malformed_json_is_refused_with_the_file_and_the_place()
    {
        await ConfigureAsync("montagu", "{ \"host\": \"db\",\n \"port\": }");
        foreach (var command in (string[][])[["barman", "list-backup", "all"], ["setup-barman"], ["barman", "check", "montagu"]])
        {
            var line = await _rig.RefusedAsync(ErrorKind.Configuration, $"{_rig.ConfigDirectory}/montagu.json is malformed JSON", command);
            Assert.Contains("LineNumber: 1", line, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("[]", "is not a JSON object")]
    [InlineData("""{ "host": ["db"] }""", "host is neither a string nor a number")]
    [InlineData("""{ "port": 70000 }""", "port is '70000', not a whole number from 1 to 65535")]
    [InlineData("""{ "port": "x" }""", "port is 'x'")]
    [InlineData("""{ "host": "" }""", "host is empty")]
    [InlineData("""{ "sslmode": "sometimes" }""", "sslmode is 'sometimes'")]
    [InlineData("""{ "slot_name": "No-Slot" }""", "slot_name is 'No-Slot'")]
    [InlineData("""{ "pass_backup_file": "/nowhere/at/all" }""", "pass_backup_file names a file that cannot be read")]
    public async Task A_value_that_cannot_be_used_is_refused_by_name(string file, string text)
    {
        await ConfigureAsync("montagu", file);
        await _rig.RefusedAsync(ErrorKind.Configuration, text, "barman", "list-backup", "montagu");
    }

    [Fact]
    public async Task An_unknown_key_in_the_file_is_refused_with_the_valid_ones()
    {
        await ConfigureAsync("montagu", """{ "hots": "db" }""");
        var line = await _rig.RefusedAsync(ErrorKind.Configuration, "unknown key 'hots'", "barman", "list-backup", "montagu");
        Assert.Contains("valid keys: host, port, dbname, user_backup, pass_backup", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_key_in_the_environment_is_refused_with_the_valid_ones()
    {
        _rig.Environment["BARMAN_MONTAGU_HOTS"] = "db";
        var line = await _rig.RefusedAsync(ErrorKind.Configuration, "environment variable BARMAN_MONTAGU_HOTS: unknown key 'hots'", "setup-barman");
        Assert.Contains("valid keys: host, port, dbname", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_configuration_directory_is_named()
    {
        _rig.Environment["BARKEEP_CONFIG_DIR"] = "/nowhere/barman.d.in";
        await _rig.RefusedAsync(ErrorKind.Configuration, "the configuration directory /nowhere/barman.d.in does not exist", "barman", "list-servers");
    }

    [Theory]
    [InlineData("barman check all")]
    [InlineData("barman backup all")]
    [InlineData("barman list-backup all")]
    [InlineData("setup-barman")]
    [InlineData("restore-last")]
    public async Task Where_no_server_is_configured_nothing_passes_for_done(string command)
    {
        File.Delete(Path.Combine(_rig.ConfigDirectory, "montagu.json"));
        await _rig.RefusedAsync(ErrorKind.Configuration, $"no server is configured in {_rig.ConfigDirectory}", command.Split(' '));
    }

    [Fact]
    public async Task Nagios_hears_that_no_server_is_configured_or_can_be_listed()
    {
        await ConfigureAsync("all", Good);
        await CriticalAsync("'all' cannot be a server's name");
        Directory.Delete(_rig.ConfigDirectory, recursive: true);
        await CriticalAsync($"the configuration directory {_rig.ConfigDirectory} does not exist");
        // As a volume that is not mounted leaves it.
        Directory.CreateDirectory(_rig.ConfigDirectory);
        await CriticalAsync($"no server is configured in {_rig.ConfigDirectory}");
    }

    [Fact]
    public async Task Cron_says_that_it_does_nothing_where_no_server_is_configured()
    {
        Assert.Equal("", (await _rig.RunAsync("barman", "cron")).Checked().Error);
        File.Delete(Path.Combine(_rig.ConfigDirectory, "montagu.json"));
        Assert.StartsWith($"WARNING: no server is configured in {_rig.ConfigDirectory}", (await _rig.RunAsync("barman", "-q", "cron")).Checked().Error, StringComparison.Ordinal);
    }

    // As a volume that is half mounted leaves it.
    [Fact]
    public async Task A_server_that_is_set_up_and_has_lost_its_configuration_is_not_passed_over()
    {
        await ConfigureAsync("other", Good);
        (await _rig.RunAsync("setup-barman", "--no-verify", "other")).Checked();
        File.Delete(Path.Combine(_rig.ConfigDirectory, "other.json"));
        var lost = $"server other is set up in {_rig.Home}/other, but its configuration {_rig.ConfigDirectory}/other.json is gone";
        foreach (var command in (string[])["check all", "check other", "show-servers all", "list-servers", "backup all", "cron", "-q cron"])
        {
            var result = await _rig.RunAsync(["barman", .. command.Split(' ')]);
            Assert.NotEqual(0, result.ExitCode);
            Assert.Contains($"ERROR: {lost}", result.Error, StringComparison.Ordinal);
        }
        Assert.Equal("montagu - montagu\n", (await _rig.RunAsync("barman", "list-servers")).Output);
        Assert.Contains($"other.configuration: FAILED ({lost}", (await _rig.RunAsync("barman", "check", "--nagios", "all")).Output, StringComparison.Ordinal);

        // With the only configuration there is, too; and one that is given up is told no more.
        File.Delete(Path.Combine(_rig.ConfigDirectory, "montagu.json"));
        await _rig.RefusedAsync(ErrorKind.UnknownServer, lost, "barman", "check", "all");
        File.Delete(Path.Combine(_rig.Home, "other", "server.json"));
        await _rig.RefusedAsync(ErrorKind.Configuration, "no server is configured", "barman", "check", "all");
    }

    [Fact]
    public async Task Cron_does_not_take_a_server_for_not_set_up_whose_directory_is_another_users()
    {
        (await _rig.RunAsync("setup-barman", "--no-verify")).Checked();
        _rig.User = (PostgresUser.Uid, PostgresUser.Gid);
        foreach (var command in (string[][])[["barman", "cron"], ["barman", "cron", "--dry-run"], ["barman", "show-servers", "all"]])
        {
            var result = await _rig.RunAsync(command);
            Assert.Equal((int)ErrorKind.Storage, result.ExitCode);
            Assert.Contains($"Permission denied (this runs as uid {PostgresUser.Uid}", result.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_file_whose_name_is_no_servers_is_named()
    {
        await ConfigureAsync("all", Good);
        await _rig.RefusedAsync(ErrorKind.Configuration, "'all' cannot be a server's name", "barman", "list-servers");
    }

    public static TheoryData<string> CommandsOfAServer =>
    [
        "backup nobody", "check nobody", "check-backup nobody latest", "delete nobody latest", "list-backup nobody", "list-files nobody latest", "receive-wal nobody",
        "recover nobody latest /tmp/x", "replication-status nobody", "show-backup nobody latest", "show-servers nobody", "status nobody", "switch-wal nobody",
    ];

    [Theory]
    [MemberData(nameof(CommandsOfAServer))]
    public async Task An_unknown_server_is_refused_with_those_that_there_are(string command)
    {
        var line = await _rig.RefusedAsync(ErrorKind.UnknownServer, "unknown server 'nobody'", ["barman", .. command.Split(' ')]);
        Assert.Contains("montagu", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("backup montagu")]
    [InlineData("check montagu")]
    [InlineData("receive-wal montagu")]
    [InlineData("status montagu")]
    [InlineData("switch-wal montagu")]
    public async Task A_server_that_is_not_set_up_is_told_so(string command)
    {
        var line = await _rig.RefusedAsync(ErrorKind.NotSetUp, "server montagu has not been set up", ["barman", .. command.Split(' ')]);
        Assert.Contains("run setup-barman", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check-backup montagu 20260101T000000")]
    [InlineData("delete montagu 20260101T000000")]
    [InlineData("list-files montagu 20260101T000000")]
    [InlineData("show-backup montagu 20260101T000000")]
    [InlineData("show-backup montagu latest")]
    [InlineData("show-backup montagu ../../etc")]
    [InlineData("recover montagu 20260101T000000 /tmp/x")]
    public async Task An_unknown_backup_is_refused(string command) =>
        await _rig.RefusedAsync(ErrorKind.UnknownBackup, "unknown backup '", ["barman", .. command.Split(' ')]);

    [Fact]
    public async Task Restoring_without_a_backup_says_that_there_is_none() =>
        await _rig.RefusedAsync(ErrorKind.NoUsableBackup, "backup", "restore-last");

    [Fact]
    public async Task A_broken_configuration_is_no_obstacle_to_a_restore()
    {
        await ConfigureAsync("montagu", "{");
        await _rig.RefusedAsync(ErrorKind.NoUsableBackup, "backup", "restore-last");
    }

    [Fact]
    public async Task Restore_last_asks_which_server_when_there_are_several()
    {
        await ConfigureAsync("other", Good);
        await _rig.RefusedAsync(ErrorKind.Usage, "restore-last montagu | other", "restore-last");
    }

    [Theory]
    [InlineData("no-such-command")]
    [InlineData("list-backup")]
    [InlineData("list-backup montagu --nonsense")]
    [InlineData("backup montagu --jobs 0")]
    [InlineData("backup montagu --jobs many")]
    [InlineData("backup montagu --bwlimit -1")]
    [InlineData("list-files montagu latest --target everything")]
    [InlineData("-f xml list-servers")]
    [InlineData("recover montagu latest /tmp/x --target-time never")]
    [InlineData("recover montagu latest /tmp/x --remote-ssh-command ssh")]
    [InlineData("recover montagu latest /tmp/x --tablespace nonsense")]
    public async Task A_command_line_that_cannot_be_understood_is_refused(string command) =>
        await _rig.RefusedAsync(ErrorKind.Usage, "", ["barman", .. command.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

    [Theory]
    [InlineData("import-backup montagu nowhere", "opening nowhere: ")]
    [InlineData("import-backup montagu /nowhere/x.tar", "opening /nowhere/x.tar: No such file or directory (look whether the path is right")]
    [InlineData("import-backup montagu /etc/passwd/x.tar", "opening /etc/passwd/x.tar: No such file or directory")]
    [InlineData("import-backup montagu /etc", "/etc is a directory (name the tar")]
    [InlineData("wal-archive montagu /nowhere/000000010000000000000001", "reading /nowhere/000000010000000000000001: No such file or directory")]
    public async Task A_path_that_leads_nowhere_is_told_in_the_systems_words(string command, string expected)
    {
        (await _rig.RunAsync("setup-barman", "--no-verify")).Checked();
        var result = await _rig.RunAsync(["barman", .. command.Split(' ')]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains($"ERROR: {expected}", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("'", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_json_the_error_is_in_the_object_too()
    {
        var result = await _rig.RunAsync("barman", "-f", "json", "list-backup", "nobody");
        Assert.Equal((int)ErrorKind.UnknownServer, result.ExitCode);
        Assert.StartsWith("{\"_ERROR\": [\"unknown server 'nobody'", result.Output, StringComparison.Ordinal);
        Assert.StartsWith("ERROR: unknown server 'nobody'", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_bad_server_does_not_keep_the_others_from_being_listed()
    {
        await ConfigureAsync("bad", "{");
        var result = await _rig.RunAsync("barman", "list-servers");
        Assert.Equal((int)ErrorKind.Configuration, result.ExitCode);
        Assert.Equal("montagu - montagu\n", result.Output);
    }

    async Task CriticalAsync(string text)
    {
        var result = await _rig.RunAsync("barman", "check", "--nagios", "all");
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("BARMAN CRITICAL - ", result.Output, StringComparison.Ordinal);
        Assert.Contains(text, Assert.Single(result.OutputLines), StringComparison.Ordinal);
    }

    Task ConfigureAsync(string server, string json) => File.WriteAllTextAsync(Path.Combine(_rig.ConfigDirectory, $"{server}.json"), json);
}
