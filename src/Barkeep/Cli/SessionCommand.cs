using System.CommandLine;

namespace Barkeep.Cli;

/// <summary>A command: its options are its fields, and it works within a session.</summary>
abstract class SessionCommand(string name, string description) : Command(name, description)
{
    /// <returns>The exit code.</returns>
    public abstract Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken);
}
