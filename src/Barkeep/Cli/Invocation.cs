using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Barkeep.Cli.Shared;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>One call of the program: its parsed command line and its session.</summary>
sealed class Invocation
{
    /// <summary>A word that begins with @ is that word, and no file's name.</summary>
    public static readonly ParserConfiguration Parser = new() { ResponseFileTokenReplacer = null };

    readonly string _program;
    readonly ParseResult _parse;
    readonly Session _session;

    Invocation(string program, ParseResult parse)
    {
        _program = program;
        _parse = parse;
        _session = Session.From(parse);
    }

    public static Invocation Parse(string programName, string[] arguments) =>
        new(programName, CommandTree.For(programName).Parse(arguments, Parser));

    /// <summary>The exit code that tells a failure of this kind.</summary>
    public int ExitCodeOf(ErrorKind kind) => _parse.CommandResult.Command is SessionCommand command ? command.ExitCodeOf(kind) : (int)kind;

    /// <returns>The exit code.</returns>
    /// <exception cref="BarkeepException">Usage, or whatever the command fails with.</exception>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Help and version are actions of the library's; commands are ours.
        if (_parse.Action is { } action && _parse.Errors.Count == 0)
        {
            return action is SynchronousCommandLineAction synchronous ? synchronous.Invoke(_parse) : await _parse.InvokeAsync(null, cancellationToken);
        }
        if (UsageErrors.Find(_parse, _program) is { } error)
        {
            throw error;
        }
        if (_parse.CommandResult.Command is not SessionCommand command)
        {
            // Nothing was said: help is what Barman answers.
            return ((SynchronousCommandLineAction)_parse.CommandResult.Command.Options.OfType<HelpOption>().Single().Action!).Invoke(_parse);
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
}
