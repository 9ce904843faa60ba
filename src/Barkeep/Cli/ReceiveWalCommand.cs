using System.CommandLine;
using Barkeep.Receiving;
using Microsoft.Extensions.Logging;

namespace Barkeep.Cli;

/// <summary><c>receive-wal</c>: receives a server's WAL until it is stopped.</summary>
sealed class ReceiveWalCommand : SessionCommand
{
    readonly Argument<string> _server = new("server") { Description = "the server's name" };

    public ReceiveWalCommand()
        : base("receive-wal", "Receive a server's WAL until stopped.") =>
        Add(_server);

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        if (session.Log.Level > LogLevel.Information)
        {
            session.Log.Level = LogLevel.Information;
        }
        await new WalReceiver(session.Read(parse.GetValue(_server)!), session.Locations, session.Time, session.Log).RunAsync(cancellationToken);
        return 0;
    }
}
