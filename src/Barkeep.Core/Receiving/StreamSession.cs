using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>
/// One stream, from START_REPLICATION to its end. Three activities: receiving writes to the tail; flushing makes that durable,
/// as often as the disk allows, and acknowledges it at once; watching keeps the connection honest (periodic status, the server's silence).
/// </summary>
sealed class StreamSession : IDisposable
{
    static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    readonly ReplicationConnection _connection;
    readonly Tail _tail;
    readonly TimelineId _timeline;
    readonly TimeSpan _statusInterval;
    readonly TimeSpan _receiveTimeout;
    readonly ReceiverStateFile _state;
    readonly TimeProvider _clock;
    readonly AutoResetEvent _wake = new(false);
    readonly SemaphoreSlim _reporting = new(1, 1);
    readonly TaskCompletionSource _flushingEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    volatile BarkeepException? _failure;
    volatile bool _stopping;
    volatile bool _ending;
    volatile bool _doneSent;
    volatile bool _paused;
    volatile bool _heard;
    long _lastMessage;
    ulong _serverEnd;

    public StreamSession(
        ReplicationConnection connection, Tail tail, TimelineId timeline, TimeSpan statusInterval, TimeSpan receiveTimeout, ReceiverStateFile state, TimeProvider clock)
    {
        _connection = connection;
        _tail = tail;
        _timeline = timeline;
        _statusInterval = statusInterval;
        _receiveTimeout = receiveTimeout;
        _state = state;
        _clock = clock;
        _lastMessage = clock.GetTimestamp();
    }

    /// <summary>Streams. All that was received is flushed when it returns, unless flushing fails.</summary>
    /// <returns>Where the timeline ended; null when <paramref name="stop"/> ended the stream.</returns>
    /// <exception cref="BarkeepException">Why the stream ended otherwise.</exception>
    public async Task<TimelineEnd?> RunAsync(CancellationToken stop)
    {
        new Thread(FlushUntilEnd) { IsBackground = true, Name = "wal flush" }.Start();
        using var over = new CancellationTokenSource();
        var watching = WatchAsync(over.Token);
        await using var registration = stop.Register(() =>
        {
            _stopping = true;
            _wake.Set();
        });
        var (end, lost) = ((TimelineEnd?)null, (BarkeepException?)null);
        try
        {
            end = await ReceiveAsync(stop);
        }
        catch (BarkeepException e)
        {
            lost = e;
        }
        finally
        {
            _ending = true;
            _wake.Set();
            await _flushingEnded.Task;
            await over.CancelAsync();
            await watching;
            Report();
        }
        return (_failure ?? lost) is { } failure ? throw failure : end;
    }

    /// <summary>Ends the stream from outside, for this reason.</summary>
    public void Fail(BarkeepException reason)
    {
        _failure ??= reason;
        _connection.Abort(reason.Message);
    }

    async Task<TimelineEnd?> ReceiveAsync(CancellationToken stop)
    {
        // Commits may be waiting for what is here already.
        await SendStatusAsync(requestReply: false);
        while (true)
        {
            var message = await _connection.ReadAsync(CancellationToken.None);
            Volatile.Write(ref _lastMessage, _clock.GetTimestamp());
            _heard = true;
            switch (message.Kind)
            {
                case WalMessageKind.Data:
                    Volatile.Write(ref _serverEnd, Math.Max(_serverEnd, message.ServerEnd.Value));
                    if (!_stopping && !TryWrite(message))
                    {
                        await WriteWhenThereIsRoomAsync(message, stop);
                    }
                    _wake.Set();
                    break;
                case WalMessageKind.Keepalive:
                    Volatile.Write(ref _serverEnd, Math.Max(_serverEnd, message.ServerEnd.Value));
                    if (message.ReplyRequested)
                    {
                        await SendStatusAsync(requestReply: false);
                    }
                    break;
                default:
                    return await EndAsync();
            }
        }
    }

    async Task<TimelineEnd?> EndAsync()
    {
        if (!_doneSent)
        {
            _doneSent = true;
            await _connection.SendDoneAsync(CancellationToken.None);
        }
        return await _connection.FinishAsync(CancellationToken.None);
    }

    bool TryWrite(in WalMessage message)
    {
        try
        {
            _tail.Write(message.Start, message.Data.Span);
            return true;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.DiskFull)
        {
            _state.Enter(ReceiverPhase.DiskFull, e);
            return false;
        }
    }

    /// <summary>Reads nothing more until this message is written: the server waits, and keeps the WAL. Status messages go on.</summary>
    async Task WriteWhenThereIsRoomAsync(WalMessage message, CancellationToken stop)
    {
        _paused = true;
        _wake.Set();
        var pause = FirstPause;
        do
        {
            try
            {
                await Task.Delay(pause, _clock, stop);
            }
            catch (OperationCanceledException)
            {
                // Stopping: what cannot be written was not acknowledged, and comes again next time.
                return;
            }
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
        while (!TryWrite(message));
        Volatile.Write(ref _lastMessage, _clock.GetTimestamp());
        _paused = false;
        _state.Enter(ReceiverPhase.Streaming);
    }

    void FlushUntilEnd()
    {
        try
        {
            while (true)
            {
                _wake.WaitOne();
                var last = _ending;
                if (_tail.Flush())
                {
                    Acknowledge(requestDone: false);
                }
                if (last)
                {
                    return;
                }
                if (_stopping && !_doneSent)
                {
                    _doneSent = true;
                    Acknowledge(requestDone: true);
                }
            }
        }
        catch (Exception e) when (e is BarkeepException or IOException or UnauthorizedAccessException)
        {
            Fail(Errno.From(e, "flushing WAL"));
        }
        finally
        {
            _flushingEnded.SetResult();
        }
    }

    /// <summary>On the flushing thread, which has nothing better to do than to wait for the few bytes to be on their way.</summary>
    void Acknowledge(bool requestDone)
    {
        try
        {
            SendStatusAsync(requestReply: false).AsTask().GetAwaiter().GetResult();
            if (requestDone)
            {
                _connection.SendDoneAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
            }
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.ConnectionLost)
        {
            // Receiving finds that out too. What has come must still be flushed.
        }
    }

    async ValueTask SendStatusAsync(bool requestReply)
    {
        using var deadline = new CancellationTokenSource(_receiveTimeout);
        try
        {
            // One at a time, and the positions are read inside: an acknowledgement is never overtaken by an older one.
            await _reporting.WaitAsync(deadline.Token);
            try
            {
                var flushed = _tail.Claimed;
                var written = flushed.IsValid ? _tail.Written : Lsn.Invalid;
                await _connection.SendStatusAsync(written, flushed, requestReply, _clock.GetUtcNow(), deadline.Token);
            }
            finally
            {
                _reporting.Release();
            }
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.ConnectionLost)
        {
            // Reading ends then too, but first with what the server had to say before it closed: that it is being stopped.
        }
        catch (OperationCanceledException)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"the server has taken nothing for {_receiveTimeout.TotalSeconds:0} s", ConnectFailure.WhenSilent);
        }
    }

    async Task WatchAsync(CancellationToken over)
    {
        var beat = TimeSpan.FromMilliseconds(Math.Clamp(_receiveTimeout.TotalMilliseconds / 8, 50, 1000));
        using var timer = new PeriodicTimer(beat, _clock);
        var (lastStatus, lastRequest, stopSince) = (_clock.GetTimestamp(), 0L, 0L);
        try
        {
            while (await timer.WaitForNextTickAsync(over))
            {
                Report();
                var heard = Volatile.Read(ref _lastMessage);
                if (_stopping)
                {
                    stopSince = stopSince == 0 ? _clock.GetTimestamp() : stopSince;
                    if (_clock.GetElapsedTime(stopSince) > StopPatience)
                    {
                        _connection.Abort("the server does not end the stream");
                    }
                }
                else if (!_paused && _clock.GetElapsedTime(heard) > _receiveTimeout)
                {
                    _connection.Abort($"no message for {_receiveTimeout.TotalSeconds:0} s");
                }
                else if (!_paused && _clock.GetElapsedTime(heard) > _receiveTimeout / 2 && lastRequest != heard)
                {
                    lastRequest = heard;
                    await SendStatusAsync(requestReply: true);
                }
                else if (_clock.GetElapsedTime(lastStatus) >= _statusInterval)
                {
                    lastStatus = _clock.GetTimestamp();
                    await SendStatusAsync(requestReply: false);
                }
            }
        }
        catch (BarkeepException e)
        {
            // A peer that takes no bytes is as dead as one that sends none; receiving ends with this reason.
            _connection.Abort(e.Message);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The stream is over.
        }
    }

    void Report()
    {
        DateTimeOffset? heard = _heard ? _clock.GetUtcNow() - _clock.GetElapsedTime(Volatile.Read(ref _lastMessage)) : null;
        _state.Progress(_timeline, _tail.Written, _tail.Claimed, new(Volatile.Read(ref _serverEnd)), heard);
    }

    public void Dispose()
    {
        _wake.Dispose();
        _reporting.Dispose();
    }
}
