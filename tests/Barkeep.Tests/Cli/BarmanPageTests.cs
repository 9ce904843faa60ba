using System.Reflection;
using System.Text.RegularExpressions;
using Barkeep.Tests.Architecture;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>docs/barman.md says of each command and option what becomes of it here: neither it nor the program may know one that the other does not.</summary>
public sealed partial class BarmanPageTests
{
    static readonly string[] Words = ["same", "different", "ignored", "not here", "ours"];

    static readonly System.CommandLine.Command Tree =
        (System.CommandLine.Command)Assembly.Load("barkeep").GetType("Barkeep.Cli.CommandTree", throwOnError: true)!.GetMethod("For")!.Invoke(null, ["barkeep"])!;

    [Fact]
    public void Every_command_is_on_the_page_and_every_command_of_the_page_is_there()
    {
        var there = Tree.Subcommands.Where(static c => !IsInternal(c)).SelectMany(static c => c.Aliases.Append(c.Name)).ToHashSet();
        // A link to the program by this name is the command setup.
        there.Remove("setup");
        there.Add("setup-barman");
        Assert.Equal(there.Order(), Sections().SelectMany(static s => s.Names).Order());
    }

    [Fact]
    public void Every_option_is_on_the_page_and_every_option_of_the_page_is_there()
    {
        var wrong = new List<string>();
        foreach (var (names, options) in Sections().Where(static s => s.Names[0] is not ("setup-barman" or "restore-last" or "serve")))
        {
            foreach (var command in Tree.Subcommands.Where(c => names.Contains(c.Name)))
            {
                var there = command.Options.Where(static o => !o.Recursive).SelectMany(static o => o.Aliases.Append(o.Name)).ToHashSet();
                wrong.AddRange(there.Except(options).Select(o => $"{command.Name} {o} is not on the page"));
                wrong.AddRange(options.Except(there).Select(o => $"{command.Name} {o} is on the page only"));
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_option_of_all_commands_is_on_the_page()
    {
        var there = Tree.Options.SelectMany(static o => o.Aliases.Append(o.Name)).Where(static o => o != "-?").ToHashSet();
        var page = Page();
        var global = OptionsOf(page[page.IndexOf("## Global options", StringComparison.Ordinal)..page.IndexOf("## Taking backups", StringComparison.Ordinal)]);
        Assert.Equal(there.Order(), global.Order());
    }

    [Fact]
    public void What_becomes_of_an_option_is_said_in_the_words_that_the_page_explains()
    {
        var rows = Row().Matches(Page()).Select(static m => m.Groups[2].Value.Trim()).ToList();
        Assert.True(rows.Count > 60);
        Assert.All(rows, static r => Assert.Contains(r, Words));
    }

    // Commands that only the program itself gives.
    static bool IsInternal(System.CommandLine.Command command) => command is { Hidden: true } && command.GetType().Name != "NotHereCommand";

    static List<(string[] Names, HashSet<string> Options)> Sections() =>
    [
        .. Page().Split("\n### ").Skip(1).Select(static s => (
            Name().Matches(s[..s.IndexOf('\n', StringComparison.Ordinal)]).Select(static m => m.Groups[1].Value).ToArray(),
            OptionsOf(s.Split("\n## ")[0]))),
    ];

    static HashSet<string> OptionsOf(string text) => [.. Row().Matches(text).SelectMany(static m => Name().Matches(m.Groups[1].Value)).Select(static m => m.Groups[1].Value)];

    static string Page() => File.ReadAllText(Path.Combine(SourceTree.Root, "docs/barman.md"));

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Name();

    [GeneratedRegex(@"^\| (`-[^|]+) \|([^|]+)\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
