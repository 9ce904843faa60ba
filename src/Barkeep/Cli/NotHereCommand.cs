using System.CommandLine;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>A command of Barman's that makes no sense here: it says in a line what to use instead, whatever follows its name.</summary>
sealed class NotHereCommand : SessionCommand
{
    readonly string _instead;

    public NotHereCommand(string name, string instead)
        : base(name, $"Not here: {instead}.")
    {
        _instead = instead;
        Hidden = true;
        TreatUnmatchedTokensAsErrors = false;
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        throw new BarkeepException(ErrorKind.Usage, $"{Name} is not here: {_instead}");
}
