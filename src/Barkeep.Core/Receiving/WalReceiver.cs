using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Receives one server's WAL by its replication slot, for as long as it is let: whatever fails is told, in the log and in
/// <see cref="ReceiverState"/>, and tried again.
/// </summary>
public sealed class WalReceiver
{
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    readonly ServerConfig _config;
    readonly Locations _locations;
    readonly TimeProvider _clock;
    readonly ILogger _logger;
    readonly ReceiverStateFile _state;

    public WalReceiver(ServerConfig config, Locations locations, TimeProvider clock, ILogger logger)
    {
        _config = config;
        _locations = locations;
        _clock = clock;
        _logger = logger;
        _state = new(locations.ReceiverStateFile(config.Name), clock, logger);
    }

    /// <summary>
    /// Receives until cancelled, then ends the stream in an orderly way: everything received is flushed and acknowledged when it returns.
    /// </summary>
    /// <exception cref="BarkeepException">Busy: another process receives for this server. NotSetUp. NewerRepository and Damaged, of the repository.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        var lockPath = _locations.ReceiverLock(_config.Name);
        using var duty = DutyLock.TryTake(lockPath)
            ?? throw new BarkeepException(ErrorKind.Busy, $"another process receives WAL of {_config.Name} (pid {DutyLock.HolderPid(lockPath)})", $"leave it to that one, or end it: barman receive-wal --stop {_config.Name}");
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await ReceiveLineageAsync(stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to stop while waiting.
        }
        finally
        {
            _state.Enter(ReceiverPhase.Stopped);
        }
    }

    /// <summary>Receives what is now the server's lineage, until another cluster answers: then setup may have adopted that one.</summary>
    async Task ReceiveLineageAsync(CancellationToken stop)
    {
        var repository = await Repository.OpenAsync(_locations.RepositoryDirectory(_config.Name), stop);
        var lineage = repository.Current
            ?? throw new BarkeepException(ErrorKind.NotSetUp, $"{_config.Name} has not been set up", "run setup-barman");
        var spool = WalSpool.Of(lineage, _config.Name, _locations);
        Durable.CreateDirectory(spool.Directory);
        _state.Begin(lineage.Identity);

        using var receiver = new LineageReceiver(_config, lineage, spool, _state, new(_config, _locations, _logger, _clock), _clock, _logger);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await receiver.LearnAsync(stop);
        var archiving = ArchiveAsync(receiver, over);
        try
        {
            await AttemptAgainAndAgainAsync(receiver, over.Token);
        }
        finally
        {
            await over.CancelAsync();
            await archiving;
        }
    }

    // Nothing is to be acknowledged for long that nobody puts into the repository: what ends this ends receiving, for all to see.
    static async Task ArchiveAsync(LineageReceiver receiver, CancellationTokenSource over)
    {
        try
        {
            await receiver.ArchiveAsync(over.Token);
        }
        finally
        {
            await over.CancelAsync();
        }
    }

    async Task AttemptAgainAndAgainAsync(LineageReceiver receiver, CancellationToken stop)
    {
        var pause = FirstPause;
        while (!stop.IsCancellationRequested)
        {
            BarkeepException? failure = null;
            var begin = _clock.GetTimestamp();
            try
            {
                await receiver.AttemptAsync(stop);
            }
            catch (Exception e) when (e is BarkeepException or IOException or UnauthorizedAccessException)
            {
                failure = Errno.From(e, "receiving WAL");
                if (stop.IsCancellationRequested)
                {
                    // Nothing was acknowledged that is not flushed; the next start goes on from there.
                    _logger.LogWarning("while stopping: {Reason}", failure.Line);
                    return;
                }
                _state.Enter(failure.Kind == ErrorKind.DiskFull ? ReceiverPhase.DiskFull : ReceiverPhase.Waiting, failure);
            }
            if (receiver.HasProgressed)
            {
                pause = FirstPause;
                if (failure is null)
                {
                    continue;
                }
            }
            else if (_clock.GetElapsedTime(begin) > LongestPause)
            {
                pause = FirstPause;
            }
            await Task.Delay(pause, _clock, stop);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            if (failure?.Kind == ErrorKind.WrongSystem)
            {
                return;
            }
        }
    }
}
