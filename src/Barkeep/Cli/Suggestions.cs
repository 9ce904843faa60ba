using System.Globalization;

namespace Barkeep.Cli;

/// <summary>
/// What a shell that asks is offered (<see cref="CompletionCommand"/>): <c>barman '[suggest:9]' 'show-back'</c>, the line without the program's name and a
/// position in it. The library understands the same, but only of programs that have commands, and not where the line begins with an option.
/// </summary>
static class Suggestions
{
    const string Asked = "[suggest:";

    /// <returns>Whether that was asked, and has been answered: a word a line.</returns>
    public static bool TryRun(string programName, string[] arguments)
    {
        if (arguments is not [[.., ']'] asked, var line] || !asked.StartsWith(Asked, StringComparison.Ordinal)
            || !int.TryParse(asked.AsSpan()[Asked.Length..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var position))
        {
            return false;
        }
        // To the library --format=j is no word that can be completed, and --format j is.
        var typed = line[..Math.Min(position, line.Length)];
        var word = typed.LastIndexOf(' ') + 1;
        if (typed.IndexOf('=', word) is > 0 and var equals && typed[word..].StartsWith("--", StringComparison.Ordinal))
        {
            typed = $"{typed[..equals]} {typed[(equals + 1)..]}";
        }
        foreach (var found in CommandTree.For(programName).Parse(typed, Invocation.Parser).GetCompletions(typed.Length))
        {
            Console.Out.WriteLine(found.InsertText ?? found.Label);
        }
        return true;
    }
}
