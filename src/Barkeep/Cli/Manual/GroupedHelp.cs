using System.CommandLine;
using System.CommandLine.Invocation;

namespace Barkeep.Cli.Manual;

/// <summary>What <c>--help</c> prints: of the program its commands, grouped by what a person wants; of a command its arguments and options.</summary>
/// <param name="manual">Of the program; null when the program is one command.</param>
sealed class GroupedHelp(ManualPages? manual) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        var lines = manual is null ? ManualPages.Of(command, "") : command is RootCommand ? manual.Overview() : ManualPages.Of(command, $"{manual.Name} ");
        foreach (var line in lines)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(line);
        }
        return 0;
    }
}
