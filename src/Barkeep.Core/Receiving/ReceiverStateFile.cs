using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>Keeps <c>state.json</c> near the truth: at once when the phase changes, else once a second at most. Safe for several threads.</summary>
sealed class ReceiverStateFile
{
    static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    readonly string _path;
    readonly TimeProvider _clock;
    readonly ILogger _logger;
    readonly Lock _lock = new();
    ReceiverState _state;
    bool _hasBegun;
    long _writtenAt;
    bool _complained;

    public ReceiverStateFile(string path, TimeProvider clock, ILogger logger)
    {
        _path = path;
        _clock = clock;
        _logger = logger;
        var now = clock.GetUtcNow();
        _state = new(Environment.ProcessId, ReceiverPhase.Starting, null, null, null, null, null, default, default, default, default, null, now, now);
    }

    /// <summary>
    /// Begins to speak of a cluster; before, the file is not touched. Where its server was last, as an earlier receiver has heard, stays known until the
    /// server says more.
    /// </summary>
    /// <exception cref="BarkeepException">NewerRepository.</exception>
    public void Begin(ClusterIdentity cluster)
    {
        lock (_lock)
        {
            _hasBegun = false;
            var known = ReceiverState.TryRead(_path)?.Of(cluster)?.ServerTimeline;
            if (_state.Of(cluster) is null)
            {
                // Positions of another cluster say nothing of this one.
                _state = _state with { Written = default, Flushed = default, Archived = default, ServerEnd = default, LastMessageAt = null };
            }
            _state = _state with { SystemId = cluster.SystemId, ServerTimeline = known, Timeline = null };
            _hasBegun = true;
        }
    }

    /// <summary>Notes on which timeline the server is, as it has just said.</summary>
    public void Found(TimelineId serverTimeline)
    {
        lock (_lock)
        {
            if (_state.ServerTimeline != serverTimeline)
            {
                _state = _state with { ServerTimeline = serverTimeline };
                Write();
            }
        }
    }

    /// <summary>Enters a phase, and logs it unless it was in it for the same reason.</summary>
    public void Enter(ReceiverPhase phase, BarkeepException? reason = null)
    {
        lock (_lock)
        {
            if (_state.Phase == phase && _state.Reason == reason?.Line)
            {
                return;
            }
            _state = _state with { Phase = phase, Reason = reason?.Line, Kind = reason?.Kind, Since = _clock.GetUtcNow() };
            if (reason is null)
            {
                _logger.LogInformation("{Phase}", phase switch
                {
                    ReceiverPhase.Starting => "starting",
                    ReceiverPhase.Streaming => $"streaming timeline {_state.Timeline} from {_state.Written}",
                    _ => "stopped",
                });
            }
            else
            {
                _logger.LogWarning("{Phase}: {Reason}", phase is ReceiverPhase.DiskFull ? "not receiving until there is room" : "waiting", reason.Line);
            }
            Write();
        }
    }

    /// <summary>Notes progress.</summary>
    public void Progress(TimelineId timeline, Lsn written, Lsn flushed, Lsn serverEnd, DateTimeOffset? lastMessageAt)
    {
        lock (_lock)
        {
            _state = _state with
            {
                Timeline = timeline,
                Written = written,
                Flushed = flushed,
                ServerEnd = Lsn.Max(serverEnd, _state.ServerEnd),
                LastMessageAt = lastMessageAt ?? _state.LastMessageAt,
            };
            WriteAtPace();
        }
    }

    /// <summary>Notes that the repository has the segments up to here.</summary>
    public void Archived(Lsn end)
    {
        lock (_lock)
        {
            _state = _state with { Archived = end };
            WriteAtPace();
        }
    }

    void WriteAtPace()
    {
        if (_clock.GetElapsedTime(_writtenAt) >= Pace)
        {
            Write();
        }
    }

    void Write()
    {
        if (!_hasBegun)
        {
            return;
        }
        _writtenAt = _clock.GetTimestamp();
        _state = _state with { UpdatedAt = _clock.GetUtcNow() };
        try
        {
            try
            {
                Durable.Replace(_path, _state.ToBytes());
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.DiskFull)
            {
                // That the disk is full is what must be told now: the old file's blocks have room for it.
                using var file = File.OpenHandle(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                RandomAccess.Write(file, _state.ToBytes(), 0);
            }
            _complained = false;
        }
        catch (Exception e) when (e is BarkeepException or IOException or UnauthorizedAccessException)
        {
            // WAL goes on being received without anyone being told: say so, once, in the log at least.
            if (!_complained)
            {
                _logger.LogWarning("the receiver's state cannot be written: {Error}", e.Message);
                _complained = true;
            }
        }
    }
}
