using System.CommandLine;
using System.CommandLine.Parsing;
using Barkeep.Cli.Shared;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>One call of the program: its parsed command line and its session.</summary>
sealed class Invocation
{
    readonly ParseResult _parse;
    readonly Session _session;

    Invocation(ParseResult parse)
    {
        _parse = parse;
        _session = Session.From(parse);
    }

    public static Invocation Parse(string programName, string[] arguments) =>
        new(CommandTree.For(programName).Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null }));

    /// <summary>The exit code that tells a failure of this kind.</summary>
    public int ExitCodeOf(ErrorKind kind) => _parse.CommandResult.Command is SessionCommand command ? command.ExitCodeOf(kind) : (int)kind;

    /// <returns>The exit code.</returns>
    /// <exception cref="BarkeepException">Usage, or whatever the command fails with.</exception>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Help and version are actions of the library's; commands are ours.
        if (_parse.Action is { } action && _parse.Errors.Count == 0)
        {
            return action is System.CommandLine.Invocation.SynchronousCommandLineAction synchronous ? synchronous.Invoke(_parse) : await _parse.InvokeAsync(null, cancellationToken);
        }
        if (_parse.Errors.Count > 0 || _parse.CommandResult.Command is not SessionCommand command)
        {
            throw new BarkeepException(ErrorKind.Usage, UsageError(), $"{CommandPath()} --help shows what can be said");
        }
        if (_parse.GetValue(GlobalOptions.Config) is not null)
        {
            _session.Output.Warning($"-c means nothing here: each server has its file in {_session.Locations.ConfigDirectory} (BARKEEP_CONFIG_DIR)");
        }
        var code = await command.RunAsync(_session, _parse, cancellationToken);
        _session.Output.Finish();
        return code;
    }

    /// <summary>Says why it failed: one line, and where in the program only to those who debug.</summary>
    /// <returns>The exit code.</returns>
    public int Fail(BarkeepException error, int exitCode)
    {
        try
        {
            _session.Output.Error(error.Line);
            _session.Log.LogFailure(error);
            _session.Output.Finish();
        }
        catch (IOException)
        {
            // Nobody can be told: the exit code tells.
        }
        return exitCode;
    }

    string UsageError() => _parse.Errors.Count > 0
        ? string.Join("; ", _parse.Errors.Select(static e => e.Message.ReplaceLineEndings(" ").TrimEnd('.')).Distinct())
        : "no command is given";

    string CommandPath()
    {
        var names = new List<string>();
        for (SymbolResult? result = _parse.CommandResult; result is not null; result = result.Parent)
        {
            if (result is CommandResult command)
            {
                names.Insert(0, command.Command.Name);
            }
        }
        return string.Join(' ', names);
    }
}
