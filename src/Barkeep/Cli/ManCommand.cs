using System.CommandLine;
using Barkeep.Cli.Manual;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary><c>man</c>: the manual page, from the commands themselves.</summary>
sealed class ManCommand() : SessionCommand("man", "Print the manual page: barman man | man -l -")
{
    public ManualPages Manual { private get; set; } = null!;

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        session.Output.Line(ManualRoff.Write(Manual, ProgramVersion.Number).TrimEnd());
        return Task.FromResult(0);
    }
}
