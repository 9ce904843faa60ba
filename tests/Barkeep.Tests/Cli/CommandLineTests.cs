using System.Reflection;
using System.Text.RegularExpressions;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>What the program says of itself: help, manual page, completion, and what it does not have.</summary>
public sealed partial class CommandLineTests(FixedRepository repository) : IClassFixture<FixedRepository>
{
    public static TheoryData<string> NotHere =>
    [
        "generate-manifest montagu 20261123T010000", "config-switch montagu model --reset", "config-update {}", "sync-info montagu --primary",
        "sync-backup montagu 20261123T010000", "sync-wals montagu", "cloud-wal-archive -p montagu pg_wal/000000010000000000000001", "cloud-wal-restore --spool-dir /tmp montagu x y",
    ];

    [Theory]
    [MemberData(nameof(NotHere))]
    public async Task What_makes_no_sense_here_is_answered_with_one_line_that_says_what_to_use_instead(string line)
    {
        var result = await repository.Rig.RunAsync(["barman", .. line.Split(' ')]);
        Assert.Equal(2, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.Matches($"^ERROR: {line.Split(' ')[0]} is not here: [^\n]+$", result.Error.TrimEnd('\n'));
    }

    [Fact]
    public async Task Help_names_each_command_once_in_a_group()
    {
        var lines = (await repository.Rig.RunAsync("barman", "--help")).Checked().OutputLines;
        Assert.Equal(
            Tree("barman").Subcommands.Where(static c => !c.Hidden).Select(static c => c.Name),
            lines.Select(static l => HelpLine().Match(l)).Where(static m => m.Success).Select(static m => m.Groups[1].Value));
        Assert.Contains("Restoring:", lines);
    }

    [Fact]
    public async Task Help_of_a_command_shows_its_arguments_and_options()
    {
        var help = (await repository.Rig.RunAsync("barman", "recover", "-h")).Checked().Output;
        Assert.Contains("Usage: barman restore SERVER BACKUP_ID DESTINATION [options]", help, StringComparison.Ordinal);
        Assert.Contains("-j, --jobs JOBS", help, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_manual_page_has_every_command_and_option_and_no_request_by_accident()
    {
        var page = (await repository.Rig.RunAsync("barkeep", "man")).Checked().Output;
        foreach (var command in Tree("barkeep").Subcommands.Where(static c => !c.Hidden))
        {
            Assert.Contains($"\\fB{command.Name.Replace("-", "\\-", StringComparison.Ordinal)}\\fR", page, StringComparison.Ordinal);
            Assert.All(command.Options.Where(static o => !o.Hidden), o => Assert.Contains(o.Name.Replace("-", "\\-", StringComparison.Ordinal), page, StringComparison.Ordinal));
        }
        Assert.All(page.Split('\n').Where(static l => l.StartsWith('.') || l.StartsWith('\'')), static l => Assert.Matches(@"^\.(TH|SH|SS|TP|RS|RE|B)\b", l));
    }

    [Theory]
    [InlineData("barman list-b", "list-backup list-backups")]
    [InlineData("barman show-backup mon", "montagu")]
    [InlineData("barman show-backup montagu 2026", "20261121T010000 20261122T010000 20261123T010000")]
    [InlineData("barman restore montagu au", "auto")]
    [InlineData("barman restore --jobs 2 montagu 20261122", "20261122T010000")]
    [InlineData("barman restore --target-time 2026-11-22T10:00 montagu 20261122", "20261122T010000")]
    [InlineData("barman verify-backup montagu a", "all")]
    [InlineData("barman backup --no-imm", "--no-immediate-checkpoint")]
    [InlineData("barman list-files --target st", "standalone")]
    [InlineData("barman restore montagu latest /tmp/x --target-action p", "pause promote")]
    [InlineData("barman backup al", "all")]
    [InlineData("barman -f ", "console json")]
    [InlineData("barman -f json list-b", "list-backup list-backups")]
    [InlineData("barman list-backup --format=j", "json")]
    [InlineData("setup-barman mon", "montagu")]
    [InlineData("setup-barman --no", "--no-initial-backup --no-verify")]
    [InlineData("restore-last mon", "montagu")]
    [InlineData("restore-last --format j", "json")]
    public async Task Bash_completes_commands_options_servers_and_backups(string line, string expected)
    {
        var script = (await repository.Rig.RunAsync("barman", "completion", "bash")).Checked().Output;
        // As bash takes a line apart.
        var words = line.Replace("=", " = ", StringComparison.Ordinal).Split(' ');
        var asked = $$"""
            {{script}}
            COMP_LINE='{{line}}'; COMP_POINT=${#COMP_LINE}; COMP_WORDS=({{string.Join(' ', words)}}); COMP_CWORD={{words.Length - 1}}
            complete=$(complete -p {{words[0]}})
            complete=${complete#*-F }
            ${complete% *}
            echo "${COMPREPLY[@]}"
            """;
        var result = await ShellAsync("bash", asked);
        Assert.Equal(expected, string.Join(' ', result.OutputLines[0].Split(' ').Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("barman list-b", "list-backup list-backups")]
    [InlineData("barman show-backup mon", "montagu")]
    [InlineData("barman show-backup montagu 2026", "20261121T010000 20261122T010000 20261123T010000")]
    [InlineData("barman backup --no-imm", "--no-immediate-checkpoint")]
    [InlineData("barman list-files --target st", "standalone")]
    [InlineData("barman import-backup montagu /etc/passw", "/etc/passwd")]
    [InlineData("setup-barman mon", "montagu")]
    [InlineData("restore-last -f ", "console json")]
    public async Task Fish_completes_commands_options_servers_backups_and_files(string line, string expected)
    {
        var result = await ShellAsync("fish", $"barman completion fish | source; complete -C '{line}'");
        Assert.Equal(expected, string.Join(' ', result.OutputLines.Select(static l => l.Split('\t')[0]).Where(static l => !l.EndsWith('-')).Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("barman switch-w", "barman switch-wal")]
    [InlineData("true; barman show-backup mon", "true; barman show-backup montagu")]
    [InlineData("barman show-backup montagu 20261122", "barman show-backup montagu 20261122T010000")]
    [InlineData("barman backup --no-imm", "barman backup --no-immediate-checkpoint")]
    [InlineData("barman list-files --target st", "barman list-files --target standalone")]
    [InlineData("barman import-backup montagu /etc/host.con", "barman import-backup montagu /etc/host.conf")]
    [InlineData("setup-barman mon", "setup-barman montagu")]
    [InlineData("restore-last --format j", "restore-last --format json")]
    public async Task Zsh_completes_commands_options_servers_backups_and_files(string line, string expected)
    {
        // Completion happens on terminals only: a shell on one of its own, in which a key says what the line has become.
        var asked = $$"""
            zmodload zsh/zpty
            zpty shell zsh -f
            zpty -w shell 'PS1= TERM=dumb; unsetopt beep; source <(barman completion zsh); report() { print -r -- "<${BUFFER% }>"; BUFFER=; zle accept-line }; zle -N report; bindkey "^X" report; print -r rea"dy"'
            zpty -r shell said '*ready*'
            zpty -w -n shell $'{{line}}\t\x18'
            zpty -r shell said '*<*>*'
            print -r -- "${${said##*<}%%>*}"
            """;
        Assert.Equal(expected, Assert.Single((await ShellAsync("zsh", asked)).OutputLines));
    }

    async Task<CommandResult> ShellAsync(string shell, string script)
    {
        var variables = repository.Rig.Environment.Select(static v => $"{v.Key}={v.Value}");
        return (await Command.RunAsync("env", [.. variables, $"HOME={repository.Rig.Home}", $"PATH={repository.Rig.LinkDirectory}:/usr/bin:/bin", shell, "-c", script])).Checked();
    }

    static System.CommandLine.Command Tree(string program) =>
        (System.CommandLine.Command)Assembly.Load("barkeep").GetType("Barkeep.Cli.CommandTree", throwOnError: true)!.GetMethod("For")!.Invoke(null, [program])!;

    [GeneratedRegex("^  ([a-z][a-z-]+)( [A-Z_]| {2,})")]
    private static partial Regex HelpLine();
}
