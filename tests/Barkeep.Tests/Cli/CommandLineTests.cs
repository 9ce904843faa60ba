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
    [InlineData("list-b", "list-backup list-backups")]
    [InlineData("show-backup mon", "montagu")]
    [InlineData("show-backup montagu 2026", "20261121T010000 20261122T010000 20261123T010000")]
    [InlineData("backup --no-imm", "--no-immediate-checkpoint")]
    [InlineData("list-files --target st", "standalone")]
    public async Task Bash_completes_commands_options_servers_and_backups(string line, string expected)
    {
        var script = (await repository.Rig.RunAsync("barman", "completion", "bash")).Checked().Output;
        var words = $"barman {line}".Split(' ');
        var asked = $$"""
            {{script}}
            COMP_LINE='barman {{line}}'; COMP_POINT=${#COMP_LINE}; COMP_WORDS=({{string.Join(' ', words)}}); COMP_CWORD={{words.Length - 1}}
            _barman
            echo "${COMPREPLY[@]}"
            """;
        var variables = repository.Rig.Environment.Select(static v => $"{v.Key}={v.Value}");
        var result = (await Command.RunAsync("env", [.. variables, $"PATH={repository.Rig.LinkDirectory}:/usr/bin:/bin", "bash", "-c", asked])).Checked();
        Assert.Equal(expected, string.Join(' ', result.OutputLines[0].Split(' ').Order(StringComparer.Ordinal)));
    }

    static System.CommandLine.Command Tree(string program) =>
        (System.CommandLine.Command)Assembly.Load("barkeep").GetType("Barkeep.Cli.CommandTree", throwOnError: true)!.GetMethod("For")!.Invoke(null, [program])!;

    [GeneratedRegex("^  ([a-z][a-z-]+)( [A-Z_]| {2,})")]
    private static partial Regex HelpLine();
}
