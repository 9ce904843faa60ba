using System.CommandLine;
using System.Reflection;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>What is said of command lines that cannot be understood: one line, in the form of all errors.</summary>
public sealed class UsageTests(FixedRepository repository) : IClassFixture<FixedRepository>
{
    const string Restore = "usage: barman restore SERVER BACKUP_ID DESTINATION";
    const string RestoreHelp = "barman restore --help shows what can be said";

    static readonly Assembly Program = Assembly.Load("barkeep");

    [Theory]
    [InlineData("bakup montagu", "unknown command 'bakup' (did you mean backup? barman --help lists all)")]
    [InlineData("list", "unknown command 'list' (did you mean list-servers, list-backups, list-files or list-processes? barman --help lists all)")]
    [InlineData("frobnicate --jobs 3", "unknown command 'frobnicate' (barman --help lists all)")]
    [InlineData("--bogus", "unknown option '--bogus' of barman (barman --help shows all)")]
    [InlineData("check --nagois montagu", "unknown option '--nagois' of barman check (did you mean --nagios? barman check --help shows all)")]
    [InlineData("restore montagu latest --bogus=3 /tmp/x", "unknown option '--bogus' of barman restore (barman restore --help shows all)")]
    [InlineData("backup montagu --immediate", "unknown option '--immediate' of barman backup (did you mean --immediate-checkpoint? barman backup --help shows all)")]
    [InlineData("--jobs 3 backup montagu", "option '--jobs' precedes the command (it is one of backup, and follows that word)")]
    [InlineData("restore montagu", $"restore lacks BACKUP_ID and DESTINATION ({Restore})")]
    [InlineData("restore montagu latest /tmp/x /tmp/y", $"'/tmp/y' is one argument too many ({Restore})")]
    [InlineData("list-servers a b", "'a' 'b' are arguments too many (usage: barman list-servers)")]
    [InlineData("restore montagu latest /tmp/x --target-time", $"--target-time takes a value, and none follows it ({RestoreHelp})")]
    [InlineData("restore montagu latest /tmp/x --jobs many", $"--jobs is 'many', not a whole number from 1 to 64 ({RestoreHelp})")]
    [InlineData("restore montagu latest /tmp/x --bwlimit -1", $"--bwlimit is '-1', not a whole number of at least 0 ({RestoreHelp})")]
    [InlineData("restore montagu latest /tmp/x --jobs 2 --jobs 3", $"--jobs is given 2 times, and takes one value ({RestoreHelp})")]
    [InlineData("restore montagu latest /tmp/x --target-time never", "--target-time: 'never' is not a time (write it as '2026-11-23 01:30:00+01:00'; the offset may be Z, UTC or a zone such as Europe/Berlin)")]
    [InlineData("targets montagu --around never", "--around: 'never' is not a time (write it as '2026-11-23 01:30:00+01:00'; the offset may be Z, UTC or a zone such as Europe/Berlin)")]
    [InlineData("restore montagu latest /tmp/x --target-lsn here", "--target-lsn is 'here', not a position in the WAL such as 16/B374D848")]
    [InlineData("restore montagu latest /tmp/x --target-xid -1", "--target-xid is '-1', not the number of a transaction")]
    [InlineData("restore montagu latest /tmp/x --target-xid 18446744073709551616", "--target-xid is '18446744073709551616', not the number of a transaction")]
    [InlineData("restore montagu latest /tmp/x --target-xid 4294967298", "--target-xid is '4294967298', not the number of a transaction")]
    [InlineData("restore montagu latest /tmp/x --target-tli newest", "--target-tli is 'newest', not a timeline's number, latest or current")]
    [InlineData("restore montagu latest /tmp/x --tablespace nonsense", "--tablespace nonsense is not NAME:DIRECTORY")]
    [InlineData("restore montagu latest /tmp/x --tablespace fast:here", "--tablespace fast:here: 'here' is no absolute path")]
    [InlineData("restore montagu latest /tmp/x --tablespace fast:/a --tablespace fast:/b", "--tablespace names 'fast' twice")]
    [InlineData("list-servers --minimal=perhaps", "'perhaps' is one argument too many (usage: barman list-servers)")]
    [InlineData("-f xml list-servers", "--format is 'xml', not console or json (barman list-servers --help shows what can be said)")]
    [InlineData("--log-level loud", "--log-level is 'loud', not DEBUG, INFO, WARNING, ERROR, CRITICAL or NOTSET (barman --help shows what can be said)")]
    [InlineData("list-files montagu latest --target everything", "--target is 'everything', not standalone, data, wal or full (barman list-files --help shows what can be said)")]
    [InlineData("terminate-process montagu walsender", "TASK is 'walsender', not receive-wal, backup, cron or gc (barman terminate-process --help shows what can be said)")]
    [InlineData("backup --name latest montagu", "a backup cannot be called 'latest' (ids, and words such as latest, name backups already)")]
    [InlineData("backup --name 20261122T010000 montagu", "a backup cannot be called '20261122T010000' (ids, and words such as latest, name backups already)")]
    [InlineData("keep montagu latest", "one of --target, --release and --status is required, and no two of them (barman keep --help shows what can be said)")]
    public async Task A_command_line_that_cannot_be_understood_is_told_in_one_line(string line, string expected)
    {
        var result = await repository.Rig.RunAsync(["barman", .. line.Split(' ')]);
        Assert.Equal((2, "", $"ERROR: {expected}\n"), (result.ExitCode, result.Output, result.Error));
    }

    [Theory]
    [InlineData("DESTINATION is empty (barman restore --help shows what can be said)", "restore", "montagu", "latest", "")]
    [InlineData("DESTINATION is empty (barman restore --help shows what can be said)", "restore", "montagu", "latest", "", "--dry-run")]
    [InlineData("DIRECTORY is empty (barman export-backup --help shows what can be said)", "export-backup", "montagu", "latest", "")]
    public async Task An_empty_directory_is_what_a_shell_makes_of_a_variable_that_is_not_set(string expected, params string[] line)
    {
        var result = await repository.Rig.RunAsync(["barman", .. line]);
        Assert.Equal((2, "", $"ERROR: {expected}\n"), (result.ExitCode, result.Output, result.Error));
    }

    [Theory]
    [InlineData("setup-barman --nonsense", "unknown option '--nonsense' of setup-barman (setup-barman --help shows all)")]
    [InlineData("restore-last montagu other", "'other' is one argument too many (usage: restore-last [SERVER])")]
    [InlineData("barkeep chek", "unknown command 'chek' (did you mean check? barkeep --help lists all)")]
    public async Task It_is_told_in_the_name_that_the_program_was_called_by(string line, string expected)
    {
        var result = await repository.Rig.RunAsync(line.Split(' '));
        Assert.Equal((2, $"ERROR: {expected}\n"), (result.ExitCode, result.Error));
    }

    [Theory]
    [InlineData("get-wal montagu")]
    [InlineData("wal-restore montagu 000000010000000000000001 x --nonsense")]
    public async Task A_restore_command_that_cannot_be_understood_does_not_look_like_the_end_of_WAL(string line) =>
        Assert.Equal(202, (await repository.Rig.RunAsync(["barman", .. line.Split(' ')])).ExitCode);

    [Fact]
    public async Task What_follows_two_dashes_is_no_option()
    {
        var result = await repository.Rig.RunAsync("barman", "show-servers", "--", "-montagu");
        Assert.StartsWith("ERROR: unknown server '-montagu'", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("barman")]
    [InlineData("barkeep")]
    [InlineData("barman", "-q")]
    public async Task Without_a_command_there_is_help(params string[] line)
    {
        var result = (await repository.Rig.RunAsync(line)).Checked();
        Assert.Contains($"Usage: {line[0]} [options] COMMAND", result.Output, StringComparison.Ordinal);
        Assert.Equal("", result.Error);
    }

    [Fact]
    public void No_error_of_any_command_is_in_the_words_of_the_library_that_parses()
    {
        var seen = 0;
        foreach (var program in (string[])["barkeep", "barman", "setup-barman", "restore-last"])
        {
            var tree = (System.CommandLine.Command)Program.GetType("Barkeep.Cli.CommandTree", throwOnError: true)!.GetMethod("For")!.Invoke(null, [program])!;
            foreach (var command in tree.Subcommands.Where(static c => !c.Hidden).Prepend(tree))
            {
                string[] path = command == tree ? [] : [command.Name];
                var options = command.Options.Concat(tree.Options).Select(static o => o.Name).Distinct();
                IEnumerable<string[]> lines =
                [
                    path, [.. path, "--bogus"], [.. path, "-1"], [.. path, .. Enumerable.Range(1, 9).Select(static i => $"word{i}")], ["--bogus", .. path],
                    .. options.SelectMany(o => Misuses(path, o)),
                ];
                foreach (var line in lines)
                {
                    if (Find(tree.Parse(line), program) is { } error)
                    {
                        seen++;
                        Assert.True(IsOurs(error.Replace("'\t'", "", StringComparison.Ordinal)), $"{program} {string.Join(' ', line)}: {error}");
                    }
                }
            }
        }
        Assert.True(seen > 1000, $"{seen} errors");
    }

    static IEnumerable<string[]> Misuses(string[] path, string option) =>
        [[.. path, option], [.. path, option, "\t"], [.. path, $"{option}=nonsense"], [.. path, option, "1", option, "2"]];

    static string? Find(ParseResult parse, string program) =>
        ((Exception?)Program.GetType("Barkeep.Cli.UsageErrors", throwOnError: true)!.GetMethod("Find")!.Invoke(null, [parse, program]))?.Message;

    static bool IsOurs(string error) =>
        !(char.IsUpper(error[0]) && char.IsLower(error[1])) && !error.EndsWith('.')
        && !((string[])["\t", "\n", "Unrecognized", "Required", "Cannot parse", "expects a single", "not recognized", "Must be one of", "cannot be combined", "System."]).Any(w => error.Contains(w, StringComparison.Ordinal));
}
