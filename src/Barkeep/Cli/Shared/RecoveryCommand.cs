using System.CommandLine;
using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Fetching;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>
/// A command that a server may run to get its WAL (<c>restore_command</c>). PostgreSQL takes any exit code up to 125 for "there is no such file", ends its
/// recovery and opens; from 126 on it stops (xlogarchive.c, RestoreArchivedFile). So every failure has a code beyond.
/// </summary>
abstract class RecoveryCommand : SessionCommand
{
    public const int Trouble = 200;

    protected RecoveryCommand(string name, string description)
        : base(name, description)
    {
        Add(ServerArgument);
        Add(SystemId);
    }

    protected Argument<string> ServerArgument { get; } = CommonArguments.Server();

    Option<string> SystemId { get; } = new("--system-id") { Description = "the database cluster whose WAL is wanted, by its system identifier" };

    /// <summary>3 for a malformed name, as in Barman; 200 and the kind's own for everything else.</summary>
    public override int ExitCodeOf(ErrorKind kind) => kind == ErrorKind.BadWalName ? (int)kind : Math.Min(Trouble + (int)kind, byte.MaxValue);

    /// <summary>The cluster that is meant: by the option, else by the data directory that this runs in, else the server's present one.</summary>
    protected static async Task<(Lineage Lineage, WalFetch Fetch)> OpenAsync(Session session, ServerName server, ulong? systemId, CancellationToken cancellationToken)
    {
        var lineage = WalFetch.Choose(await session.OpenRepositoryAsync(server, cancellationToken), systemId);
        return (lineage, new(lineage, session.SpoolOf(server, lineage), ReceiverState.LastOf(session.Locations, server, lineage.Identity)));
    }

    protected ulong? GivenSystemId(ParseResult parse) => parse.GetValue(SystemId) is not { } text ? null
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id
        : throw new BarkeepException(ErrorKind.Usage, $"{SystemId.Name} is '{text}', not a system identifier", "pg_controldata shows it");

    /// <summary>That WAL ends before this file.</summary>
    protected static int NotThere(Session session, ServerName server, string name)
    {
        session.Output.Error($"WAL file '{name}' not found in server '{server}'");
        return 1;
    }
}
