using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Fetching;
using Barkeep.Receiving;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>wal-archive</c>: an <c>archive_command</c> for a server that reaches the repository itself.</summary>
sealed class WalArchiveCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _path = new("WAL_PATH") { Description = "what PostgreSQL has to archive: %p" };
    readonly Option<bool> _test = new("--test", "-t") { Description = "only see whether it could be done" };

    public WalArchiveCommand()
        : base("wal-archive", "Take a WAL file of a server's: an archive_command.")
    {
        Add(_server);
        Add(_path);
        Add(_test);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var config = session.ReadSetUp(session.Read(parse.GetValue(_server)!).Name);
        var server = config.Name;
        var repository = await session.OpenRepositoryAsync(server, cancellationToken);
        if (parse.GetValue(_test))
        {
            session.Output.Line($"Ready to accept WAL files for the server {server}");
            return 0;
        }
        var path = parse.GetValue(_path)!;
        var name = WalFileName.Parse(Path.GetFileName(path));
        byte[] content;
        try
        {
            content = await File.ReadAllBytesAsync(path, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading {path}");
        }
        var systemId = RecoveringServer.TryFind(Environment.CurrentDirectory)?.SystemId;
        await new WalPut(repository, l => session.SpoolOf(server, l), session.HooksWhileLockedOf(config), session.Log).PutAsync(name, content, systemId, cancellationToken);
        return 0;
    }
}
