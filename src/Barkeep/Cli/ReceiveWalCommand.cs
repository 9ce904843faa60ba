using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Receiving;
using Microsoft.Extensions.Logging;

namespace Barkeep.Cli;

/// <summary><c>receive-wal</c>: receives a server's WAL until it is stopped; or looks after its slot.</summary>
sealed class ReceiveWalCommand : SessionCommand
{
    static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    readonly Argument<string> _server = CommonArguments.Server();
    readonly Option<bool> _create = new("--create-slot") { Description = "make the replication slot, and end" };
    readonly Option<bool> _unlessThere = new("--if-not-exists") { Description = "with --create-slot: a slot that exists is no error" };
    readonly Option<bool> _drop = new("--drop-slot") { Description = "remove the replication slot, and end" };
    readonly Option<bool> _stop = new("--stop") { Description = "stop the running receiver; cron starts another" };
    readonly IgnoredOptions _ignored = new("--reset!");

    public ReceiveWalCommand()
        : base("receive-wal", "Receive a server's WAL until stopped.")
    {
        Add(_server);
        Add(_create);
        Add(_unlessThere);
        Add(_drop);
        Add(_stop);
        _ignored.AddTo(this);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var config = session.Read(parse.GetValue(_server)!);
        if (_ignored.Given(parse).Any())
        {
            _ignored.Warn(session, parse);
            session.Output.Info("The receiver goes on where it must by itself, and records WAL that is lost as a gap");
            return 0;
        }
        if (parse.GetValue(_create))
        {
            return await CreateAsync(session, config, parse.GetValue(_unlessThere), cancellationToken);
        }
        if (parse.GetValue(_drop))
        {
            return await DropAsync(session, config, cancellationToken);
        }
        if (parse.GetValue(_stop))
        {
            var duty = new ReceiverDuty(session, config.Name);
            session.Output.Info(duty.IsRunning ? $"Stopping the receiver of server '{config.Name}'" : $"No receiver of server '{config.Name}' is running");
            await duty.StopAsync(StopLimit, cancellationToken);
            return 0;
        }
        if (session.Log.Level > LogLevel.Information)
        {
            session.Log.Level = LogLevel.Information;
        }
        await new WalReceiver(session.ReadSetUp(config.Name), session.Locations, session.Time, session.Log).RunAsync(cancellationToken);
        return 0;
    }

    static async Task<int> CreateAsync(Session session, ServerConfig config, bool unlessThere, CancellationToken cancellationToken)
    {
        if (unlessThere && await ExistsAsync(config, cancellationToken))
        {
            session.Output.Info($"Replication slot '{config.SlotName}' exists already");
            return 0;
        }
        await using var connection = await ConnectAsync(config, cancellationToken);
        session.Output.Info($"Creating physical replication slot '{config.SlotName}' on server '{config.Name}'");
        await connection.CreateSlotAsync(config.SlotName, cancellationToken);
        session.Output.Info($"Replication slot '{config.SlotName}' created");
        return 0;
    }

    static async Task<bool> ExistsAsync(ServerConfig config, CancellationToken cancellationToken)
    {
        await using var sql = await SqlSession.OpenAsync(config, "receive-wal", cancellationToken);
        return (await ReplicationSlot.ListAsync(sql, cancellationToken)).Any(s => s.Name == config.SlotName);
    }

    static async Task<int> DropAsync(Session session, ServerConfig config, CancellationToken cancellationToken)
    {
        await using var connection = await ConnectAsync(config, cancellationToken);
        session.Output.Info($"Dropping physical replication slot '{config.SlotName}' on server '{config.Name}'");
        await DropAsync(session, config, connection, cancellationToken);
        session.Output.Info($"Replication slot '{config.SlotName}' dropped");
        return 0;
    }

    // The server lets go of the slot of a receiver that has ended only when it notices that: a client that it cannot reach any more has its slot for a while.
    static async Task DropAsync(Session session, ServerConfig config, ReplicationConnection connection, CancellationToken cancellationToken)
    {
        var start = session.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await connection.DropSlotAsync(config.SlotName, cancellationToken);
                return;
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.SlotInUse)
            {
                if (new ReceiverDuty(session, config.Name).IsRunning)
                {
                    throw new BarkeepException(ErrorKind.SlotInUse, e.Message, $"the receiver of server {config.Name} runs: end what starts it (cron, serve), then barman receive-wal --stop {config.Name}", e);
                }
                if (session.Time.GetElapsedTime(start) > StopLimit)
                {
                    throw new BarkeepException(ErrorKind.SlotInUse, e.Message, $"it was waited for for {StopLimit.TotalSeconds:0} s; no receiver runs here: end the one that uses it, or wait until the server has noticed that it is gone (wal_sender_timeout)", e);
                }
            }
            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    static Task<ReplicationConnection> ConnectAsync(ServerConfig config, CancellationToken cancellationToken) =>
        ReplicationConnection.ConnectAsync(ConnectionTarget.ForStreaming(config), cancellationToken);
}
