using System.CommandLine;
using System.CommandLine.Help;

namespace Barkeep.Cli.Manual;

/// <summary>The commands as a person reads of them: which there are, in groups, and how each is called.</summary>
/// <param name="name">What the program is called by.</param>
sealed class ManualPages(string name, RootCommand root, IReadOnlyList<CommandGroup> groups)
{
    /// <summary>Between the columns of a help text.</summary>
    const int Gap = 2;

    public string Name => name;

    public string Description => root.Description!;

    /// <summary>The groups that have something to show.</summary>
    public IEnumerable<(string Title, IReadOnlyList<SessionCommand> Commands)> Groups =>
        groups.Select(static g => (g.Title, (IReadOnlyList<SessionCommand>)[.. g.Commands.Where(static c => !c.Hidden)])).Where(static g => g.Item2.Count > 0);

    public IEnumerable<Option> GlobalOptions => root.Options.Where(static o => !o.Hidden);

    /// <summary>How a command is called, without the program's name: <c>backup SERVER...</c>.</summary>
    public static string Usage(Command command) => string.Join(' ', [command.Name, .. command.Arguments.Where(static a => !a.Hidden).Select(Usage)]);

    /// <summary>The names of an option, the short ones first, and what it takes.</summary>
    public static string Usage(Option option) =>
        string.Join(", ", option.Aliases.Append(option.Name).Where(static n => n != "-?").Distinct().OrderBy(static n => n.Length)) + (option.Arity.MaximumNumberOfValues == 0 || IsSwitch(option) ? "" : $" {ValueName(option)}");

    /// <summary>The overview: a line for each command.</summary>
    public IEnumerable<string> Overview()
    {
        yield return Description;
        yield return "";
        yield return $"Usage: {name} [options] COMMAND ...";
        var width = Groups.SelectMany(static g => g.Commands).Max(static c => Usage(c).Length);
        foreach (var (title, commands) in Groups)
        {
            yield return "";
            yield return $"{title}:";
            foreach (var command in commands)
            {
                yield return $"  {Usage(command).PadRight(width + Gap)}{command.Description}";
            }
        }
        yield return "";
        yield return "Options of all commands:";
        foreach (var option in GlobalOptions)
        {
            yield return $"  {Usage(option).PadRight(width + Gap)}{Describe(option)}";
        }
        yield return "";
        yield return $"{name} COMMAND --help shows the options of a command.";
    }

    /// <summary>One command: how it is called, and what its arguments and options mean.</summary>
    /// <param name="path">What precedes its usage: the program's name, unless the program is the command.</param>
    public static IEnumerable<string> Of(Command command, string path)
    {
        var arguments = command.Arguments.Where(static a => !a.Hidden).Select(static a => (a.Name, a.Description ?? "")).ToList();
        var options = command.Options.Where(static o => !o.Hidden && !o.Recursive).Select(static o => (Usage(o), Describe(o))).ToList();
        var shared = command.Options.Concat(command.Parents.SelectMany(static p => ((Command)p).Options)).Where(static o => o is { Hidden: false, Recursive: true }).Select(static o => (Usage(o), Describe(o))).ToList();
        yield return command.Description!;
        yield return "";
        yield return $"Usage: {path}{Usage(command)}{(options.Count > 0 ? " [options]" : "")}";
        if (command.Aliases.Count > 0)
        {
            yield return $"Also: {string.Join(", ", command.Aliases)}";
        }
        var width = arguments.Concat(options).Concat(shared).Max(static r => r.Item1.Length);
        foreach (var (title, rows) in ((string, List<(string, string)>)[])[("Arguments", arguments), ("Options", options), ("Options of all commands", shared)])
        {
            if (rows.Count > 0)
            {
                yield return "";
                yield return $"{title}:";
            }
            foreach (var (left, right) in rows)
            {
                yield return $"  {left.PadRight(width + Gap)}{right}";
            }
        }
    }

    public static string Describe(Option option) => option switch
    {
        HelpOption => "show help",
        VersionOption => "show the version",
        _ => option.Description ?? "",
    };

    static bool IsSwitch(Option option) => option is Option<bool> or HelpOption or VersionOption;

    static string ValueName(Option option) => option.HelpName ?? option.Name.TrimStart('-').Split('-')[^1].ToUpperInvariant();

    static string Usage(Argument argument)
    {
        var text = argument.Arity.MaximumNumberOfValues > 1 ? $"{argument.Name}..." : argument.Name;
        return argument.Arity.MinimumNumberOfValues == 0 ? $"[{text}]" : text;
    }
}
