using System.CommandLine;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary>A command: its options are its fields, and it works within a session.</summary>
abstract class SessionCommand(string name, string description) : Command(name, description)
{
    /// <summary>The exit code that tells a failure of this kind.</summary>
    public virtual int ExitCodeOf(ErrorKind kind) => (int)kind;

    /// <returns>The exit code.</returns>
    public abstract Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken);
}
