using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Receiving;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>put-wal</c>: takes WAL files from stdin, in a tar with their sums, as Barman's clients send them.</summary>
sealed class PutWalCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Option<bool> _test = new("--test", "-t") { Description = "only see whether it could be done" };

    public PutWalCommand()
        : base("put-wal", "Take WAL files from a server's archive_command.")
    {
        Add(_server);
        Add(_test);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var config = session.ReadSetUp(session.Read(parse.GetValue(_server)!).Name);
        var server = config.Name;
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        var lineage = repository.Current ?? throw Session.NotSetUp(server);
        if (parse.GetValue(_test))
        {
            session.Output.Line($"Ready to accept WAL files for the server {server}");
            return 0;
        }
        var files = await ReadAsync(lineage, cancellationToken);
        if (files.Count == 0)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"no WAL file was sent for server {server}", "put-wal reads a tar from stdin, as barman-wal-archive writes it; wal-archive takes a file");
        }
        var put = new WalPut(repository, l => session.SpoolOf(server, l), session.HooksWhileLockedOf(config), session.Log);
        foreach (var (name, content) in files)
        {
            await put.PutAsync(name, content, null, cancellationToken);
        }
        return 0;
    }

    static async Task<IReadOnlyList<(WalFileName Name, byte[] Content)>> ReadAsync(Lineage lineage, CancellationToken cancellationToken)
    {
        try
        {
            await using var input = Console.OpenStandardInput();
            return await WalTar.ReadAsync(input, lineage.Identity.SegmentSize, cancellationToken);
        }
        catch (IOException e)
        {
            throw Errno.From(e, "reading stdin");
        }
    }
}
