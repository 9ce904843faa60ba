using System.CommandLine;
using System.CommandLine.Parsing;

namespace Barkeep.Cli.Shared;

/// <summary>Options and arguments that take one of a few words.</summary>
static class Choice
{
    public static Option<string> Restrict(Option<string> option, string[] words, StringComparer? comparer = null)
    {
        option.Validators.Add(result => Check(result, option.Name, words, comparer));
        option.CompletionSources.Add(words);
        return option;
    }

    public static Argument<string> Restrict(Argument<string> argument, params string[] words)
    {
        argument.Validators.Add(result => Check(result, argument.Name, words, null));
        argument.CompletionSources.Add(words);
        return argument;
    }

    static void Check(SymbolResult result, string name, string[] words, StringComparer? comparer)
    {
        if (result.Tokens is [{ Value: var text }, ..] && !words.Contains(text, comparer ?? StringComparer.Ordinal))
        {
            result.AddError($"{name} is '{text}', not {string.Join(", ", words[..^1])} or {words[^1]}");
        }
    }
}
