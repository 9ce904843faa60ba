using System.CommandLine;
using System.CommandLine.Parsing;
using Barkeep.Cli.Manual;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>What is wrong with a command line, in the form of all errors: what it is, and what to do.</summary>
sealed class UsageErrors
{
    readonly ParseResult _parse;
    readonly Command _command;
    readonly IReadOnlyList<CommandResult> _path;
    readonly IReadOnlyList<OptionResult> _options;

    readonly string _program;

    UsageErrors(ParseResult parse, string program)
    {
        (_parse, _program) = (parse, program);
        _command = parse.CommandResult.Command;
        var path = new List<CommandResult>();
        for (SymbolResult? result = parse.CommandResult; result is not null; result = result.Parent)
        {
            path.Insert(0, (CommandResult)result);
        }
        _path = path;
        _options = [.. path.SelectMany(static c => c.Children).OfType<OptionResult>().Where(static o => !o.Implicit)];
    }

    string Name => string.Join(' ', _path.Select(NameOf));

    /// <summary>Null when nothing is wrong. What follows a command that is not here does not matter.</summary>
    /// <param name="program">What the program was called by.</param>
    public static BarkeepException? Find(ParseResult parse, string program) =>
        parse.CommandResult.Command.TreatUnmatchedTokensAsErrors ? new UsageErrors(parse, program).Find() : null;

    BarkeepException? Find()
    {
        // A name that is not known makes a guess of everything after it.
        if (UnknownOption() is { } option)
        {
            return option;
        }
        if (_command.Subcommands.Count > 0 && _parse.UnmatchedTokens is [var word, ..])
        {
            var commands = _command.Subcommands.Where(static c => !c.Hidden).ToList();
            return Error($"unknown command '{word}'", Meant(NearMiss.Of(word, [.. commands.Select(static c => c.Name), .. commands.SelectMany(static c => c.Aliases)])), $"{Name} --help lists all");
        }

        // Values, then arguments that are missing or too many.
        var values = _options.SelectMany(Values).Concat(_command.Arguments.SelectMany(Values)).ToList();
        var arguments = Missing().Concat(TooMany()).ToList();
        if (values.Count + arguments.Count == 0)
        {
            // What a command says of its options together. A command that is missing is no error: help is the answer.
            values = _command.Subcommands.Count > 0 ? [] : [.. _parse.Errors.Select(static e => e.Message.ReplaceLineEndings(" "))];
        }
        return values.Count + arguments.Count == 0 ? null
            : Error(string.Join("; ", values.Concat(arguments).Distinct()), null, arguments.Count > 0 ? $"usage: {Usage()}" : $"{Name} --help shows what can be said");
    }

    BarkeepException? UnknownOption()
    {
        // Before --, what looks like an option is meant as one; unless it is the value of another.
        var taken = _options.SelectMany(static o => o.Tokens).ToHashSet(ReferenceEqualityComparer.Instance);
        var word = _parse.Tokens.TakeWhile(static t => t.Type != TokenType.DoubleDash)
            .FirstOrDefault(t => t is { Type: TokenType.Argument, Value: ['-', _, ..] } && !taken.Contains(t))?.Value;
        // Before it, a word that is no command is what to speak of.
        if (word is null || (_command.Subcommands.Count > 0 && (_parse.UnmatchedTokens is not [var first, ..] || first != word)))
        {
            return null;
        }
        var name = word.Split('=', 2)[0];
        var known = _path.SelectMany(static c => c.Command.Options).SelectMany(static o => o.Aliases.Prepend(o.Name)).ToList();
        if (known.Contains(name))
        {
            return Error($"option '{name}' precedes the command", null, $"it is one of {_command.Name}, and follows that word");
        }
        var visible = _path.SelectMany(static c => c.Command.Options).Where(static o => !o.Hidden).SelectMany(static o => o.Aliases.Prepend(o.Name));
        return Error($"unknown option '{name}' of {Name}", Meant(NearMiss.Of(name, visible)), $"{Name} --help shows all");
    }

    IEnumerable<string> Values(OptionResult result)
    {
        var (name, tokens, most) = (result.Option.Name, result.Tokens, result.Option.Arity.MaximumNumberOfValues);
        return tokens.Count < result.Option.Arity.MinimumNumberOfValues ? [$"{name} takes a value, and none follows it"]
            : tokens.Count > most ? [$"{name} is given {tokens.Count} times, and takes one value"]
            : Said(result);
    }

    IEnumerable<string> Values(Argument argument) => _parse.GetResult(argument) is { Tokens.Count: > 0 } result ? Said(result) : [];

    // What our own checks of the value say.
    IEnumerable<string> Said(SymbolResult result) => _parse.Errors.Where(e => e.SymbolResult == result || e.SymbolResult?.Parent == result).Select(static e => e.Message.ReplaceLineEndings(" "));

    IEnumerable<string> Missing()
    {
        var names = _command.Arguments.Where(a => (_parse.GetResult(a)?.Tokens.Count ?? 0) < a.Arity.MinimumNumberOfValues).Select(static a => a.Name).ToList();
        return names.Count == 0 ? [] : [$"{_command.Name} lacks {string.Join(" and ", names)}"];
    }

    IEnumerable<string> TooMany() =>
        _parse.UnmatchedTokens.Count == 0 ? [] : [$"{string.Join(" ", _parse.UnmatchedTokens.Select(static t => $"'{t}'"))} {(_parse.UnmatchedTokens.Count == 1 ? "is one argument" : "are arguments")} too many"];

    string Usage() => string.Join(' ', [.. _path.SkipLast(1).Select(NameOf), ManualPages.Usage(_command)]);

    string NameOf(CommandResult result) => result.Command is RootCommand ? _program : result.Command.Name;

    static string? Meant(IReadOnlyList<string> near) => near.Count == 0 ? null : $"did you mean {(near.Count == 1 ? near[0] : $"{string.Join(", ", near.SkipLast(1))} or {near[^1]}")}?";

    static BarkeepException Error(string message, string? meant, string hint) => new(ErrorKind.Usage, message, meant is null ? hint : $"{meant} {hint}");
}
