using System.CommandLine;
using System.Globalization;
using Barkeep.Cli.Processes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Fetching;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary>
/// <c>wal-restore</c>: a <c>restore_command</c> for a server that reaches the repository itself. It lays the file where the server wants it, while another
/// process of this program has the segments after it at hand already. What is usual in that goes by <see cref="WalRestoreShortcut"/>.
/// </summary>
sealed class WalRestoreCommand : RecoveryCommand
{
    // 8 segments of 16 MiB.
    const long PrefetchedBytes = 128 << 20;

    public const string CommandName = "wal-restore";

    readonly Argument<string> _name = new("WAL_NAME") { Description = "what PostgreSQL asks for: %f" };
    readonly Argument<string> _destination = new("DESTINATION") { Description = "where it wants it: %p" };
    readonly Option<bool> _partial = new("--partial", "-P") { Description = "a segment that is not complete yet, too, filled up with zeros" };
    readonly Option<int?> _parallel = NumberOption.Between(0, 1000, "how many segments to have at hand; 0 for none", "--parallel", "-p");
    readonly Option<string> _spool = new("--spool-dir") { Description = "where to have them; a directory in pg_wal unless said" };
    readonly Option<bool> _test = new("--test", "-t") { Description = "only see whether it could be done" };

    public WalRestoreCommand()
        : base(CommandName, "Get a WAL file for a recovering server: a restore_command.")
    {
        Add(_name);
        Add(_destination);
        foreach (var option in (Option[])[_partial, _parallel, _spool, _test])
        {
            Add(option);
        }
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(ServerArgument)!);
        var recovering = RecoveringServer.TryFind(Environment.CurrentDirectory);
        var systemId = GivenSystemId(parse) ?? recovering?.SystemId;
        if (recovering is not null && systemId != recovering.SystemId)
        {
            throw new BarkeepException(ErrorKind.WrongSystem, $"{recovering.Directory} is of the database cluster {recovering.SystemId}, and WAL of {systemId} is asked for", "leave --system-id out of restore_command, or name that cluster");
        }
        var destination = parse.GetValue(_destination)!;
        var repository = session.Locations.RepositoryDirectory(server);
        var place = recovering is null ? null : PrefetchPlace.Of(recovering, parse.GetValue(_spool), repository);
        if (parse.GetValue(_test))
        {
            await OpenAsync(session, server, systemId, cancellationToken);
            session.Output.Line($"Ready to retrieve WAL files from the server {server}");
            return 0;
        }
        var name = WalFileName.Parse(parse.GetValue(_name)!);
        var prefetches = place is not null && name.Kind == WalFileKind.Segment && parse.GetValue(_parallel) is not 0;
        if (prefetches && place!.TryServe(name.Segment, destination))
        {
            return 0;
        }
        var (lineage, fetch) = await OpenAsync(session, server, systemId, cancellationToken);
        if (await fetch.TryGetAsync(name, parse.GetValue(_partial), cancellationToken) is not { } content)
        {
            return NotThere(session, server, name.Text);
        }
        Durable.LayDown(destination, file => file.Write(content.Span));
        if (prefetches && !place!.IsServed)
        {
            StartPrefetching(server, recovering!, parse.GetValue(_parallel) ?? DefaultCount(lineage.Identity.SegmentSize), place.Root);
        }
        return 0;
    }

    static int DefaultCount(SegmentSize size) => (int)Math.Clamp(PrefetchedBytes / size.Bytes, 2, 64);

    static void StartPrefetching(ServerName server, RecoveringServer recovering, int count, string root)
    {
        try
        {
            OwnProgram.StartDetached("/dev/null", PrefetchWalCommand.CommandName, server.ToString(), recovering.Directory, count.ToString(CultureInfo.InvariantCulture), Path.GetFullPath(root));
        }
        catch (BarkeepException)
        {
            // Where nothing can be laid down, every segment is fetched when it is asked for.
        }
    }
}
