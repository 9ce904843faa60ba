using Barkeep.Cli.Processes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>Keeps a server's receiver running: a process of its own that outlives the command that started it.</summary>
sealed class ReceiverDuty(Session session, ServerName server)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    public bool IsRunning => DutyLock.IsHeld(session.Locations.ReceiverLock(server));

    /// <summary>Whether it has last said so.</summary>
    public bool IsStreaming => ReceiverState.TryRead(session.Locations.ReceiverStateFile(server)) is { Phase: ReceiverPhase.Streaming };

    /// <summary>Starts it, unless it runs.</summary>
    /// <returns>Its process id; null when one runs already.</returns>
    public int? EnsureRunning()
    {
        if (IsRunning)
        {
            return null;
        }
        return OwnProgram.StartDetached(session.Locations.ReceiverLog(server), "receive-wal", server.ToString());
    }

    /// <summary>Waits until the receiver streams and has flushed a position.</summary>
    /// <param name="started">The process id, if this process started it.</param>
    /// <exception cref="BarkeepException">The receiver's own reason, or WalTimeout.</exception>
    public async Task WaitUntilFlushedAsync(Lsn position, int? started, TimeSpan limit, CancellationToken cancellationToken)
    {
        var start = session.Time.GetTimestamp();
        ReceiverState? state = null;
        while (session.Time.GetElapsedTime(start) < limit)
        {
            state = ReceiverState.TryRead(session.Locations.ReceiverStateFile(server));
            if (IsRunning && state is { Phase: ReceiverPhase.Streaming } && state.Flushed >= position)
            {
                return;
            }
            if (started is { } pid && ProcessTree.HasEnded(pid))
            {
                throw new BarkeepException(ErrorKind.Failed, $"the receiver of server {server} has ended: {LastLogLine()}", $"its log is {session.Locations.ReceiverLog(server)}");
            }
            await Task.Delay(Pause, session.Time, cancellationToken);
        }
        throw new BarkeepException(
            state?.Kind ?? ErrorKind.WalTimeout,
            $"WAL of server {server} does not flow after {limit.TotalSeconds:0} s: {state?.Reason ?? $"flushed up to {state?.Flushed ?? Lsn.Invalid}, awaited {position}"}",
            $"the receiver goes on trying; its log is {session.Locations.ReceiverLog(server)}");
    }

    /// <summary>Asks the receiver to stop and waits until it has let go of its duty. Does nothing when none runs.</summary>
    /// <exception cref="BarkeepException">Busy when it does not stop in time.</exception>
    public async Task StopAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var start = session.Time.GetTimestamp();
        var duty = Duty.Receiving(session.Locations, server);
        while (IsRunning)
        {
            if (duty.FindProcess() is { } pid)
            {
                await duty.EndAsync(pid, limit, session.Time, cancellationToken);
                return;
            }
            // It has yet to say which process it is, or archive-wal has its duty for a while.
            if (session.Time.GetElapsedTime(start) > limit)
            {
                throw new BarkeepException(ErrorKind.Busy, $"the receiver of server {server} does not stop: which process it is cannot be seen here", "end it by hand; cron starts another");
            }
            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    string LastLogLine()
    {
        var log = session.Locations.ReceiverLog(server);
        return File.Exists(log) ? File.ReadLines(log).LastOrDefault(static l => l.Length > 0) ?? "it said nothing" : "it said nothing";
    }
}
