using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Barkeep.Common;

namespace Barkeep.Postgres;

/// <summary>
/// PostgreSQL's frontend/backend protocol, version 3, after the startup: framed messages both ways, and simple queries.
/// One reader and any number of writers at a time. A cancelled or failed call leaves the connection unusable.
/// </summary>
sealed class WireConnection : IAsyncDisposable
{
    // A WAL message is at most 128 KiB (walsender.c, MAX_SEND_SIZE): several fit, and each is moved at most once.
    const int InitialBuffer = 1 << 20;
    const int MaximumMessage = 16 << 20;
    const int HeaderLength = 5;

    readonly Socket _socket;
    readonly Stream _stream;
    readonly SemaphoreSlim _sending = new(1, 1);
    readonly Dictionary<string, string> _parameters = [];
    byte[] _buffer = ArrayPool<byte>.Shared.Rent(InitialBuffer);
    int _start;
    int _end;
    volatile string? _abortReason;

    public WireConnection(ConnectionTarget target, Socket socket, Stream stream)
    {
        Target = target;
        _socket = socket;
        _stream = stream;
    }

    public ConnectionTarget Target { get; }

    /// <summary>The stream below: its TLS session, when it has one.</summary>
    public Stream Stream => _stream;

    /// <summary>What the server reported about itself, such as <c>server_version</c>; null when it did not.</summary>
    public string? Parameter(string name) => _parameters.GetValueOrDefault(name);

    /// <summary>The next message. Notices, notifications and parameter reports are taken care of here.</summary>
    /// <exception cref="BarkeepException">ConnectionLost: the connection ended or broke, or what came is not the protocol.</exception>
    public ValueTask<WireMessage> ReadAsync(CancellationToken cancellationToken) =>
        TryTake(out var message) && !IsAside(message.Type) ? ValueTask.FromResult(message) : ReadMoreAsync(message, cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    async ValueTask<WireMessage> ReadMoreAsync(WireMessage message, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (message.Type == WireMessage.ParameterStatus)
            {
                Note(message.Read());
            }
            while (!TryTake(out message))
            {
                await FillAsync(cancellationToken);
            }
            if (!IsAside(message.Type))
            {
                return message;
            }
        }
    }

    static bool IsAside(byte type) => type is WireMessage.NoticeResponse or WireMessage.NotificationResponse or WireMessage.ParameterStatus;

    bool TryTake(out WireMessage message)
    {
        message = default;
        var available = _end - _start;
        if (available < HeaderLength)
        {
            return false;
        }
        var length = MessageLength();
        if (available < length)
        {
            return false;
        }
        message = new(_buffer[_start], _buffer.AsMemory(_start + HeaderLength, length - HeaderLength));
        _start += length;
        return true;
    }

    int MessageLength()
    {
        var length = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + 1));
        return length is < 4 or > MaximumMessage
            ? throw WireReader.Malformed($"a message of {length} bytes")
            : length + 1;
    }

    async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        MakeRoom(_end - _start >= HeaderLength ? MessageLength() : HeaderLength);
        int read;
        try
        {
            read = await _stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            throw Lost(e);
        }
        if (read == 0)
        {
            throw Lost(null);
        }
        _end += read;
    }

    void MakeRoom(int needed)
    {
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
        }
        if (_buffer.Length - _start >= needed && _end < _buffer.Length)
        {
            return;
        }
        var target = needed <= _buffer.Length ? _buffer : ArrayPool<byte>.Shared.Rent(needed);
        Buffer.BlockCopy(_buffer, _start, target, 0, _end - _start);
        if (target != _buffer)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = target;
        }
        (_start, _end) = (0, _end - _start);
    }

    void Note(WireReader reader)
    {
        var name = reader.Text();
        _parameters[name] = reader.Text();
    }

    /// <summary>Sends one message as it is: type, length and body.</summary>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            await _stream.WriteAsync(message, cancellationToken);
            await _stream.FlushAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            throw Lost(e);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Sends a message of this type with this body.</summary>
    public ValueTask SendAsync(byte type, ReadOnlySpan<byte> body, CancellationToken cancellationToken)
    {
        var message = new byte[HeaderLength + body.Length];
        message[0] = type;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), body.Length + 4);
        body.CopyTo(message.AsSpan(HeaderLength));
        return SendAsync(message, cancellationToken);
    }

    /// <summary>Sends a simple query without waiting for its answer.</summary>
    public ValueTask SendQueryAsync(string command, CancellationToken cancellationToken) =>
        SendAsync((byte)'Q', Encoding.UTF8.GetBytes(command + '\0'), cancellationToken);

    /// <summary>Runs one command and returns its rows, few enough to hold in memory, within the target's command timeout.</summary>
    /// <param name="doing">What is being done, for the message of a failure.</param>
    /// <exception cref="BarkeepException">What the server answered; ConnectionLost when it did not.</exception>
    public async Task<WireResult> QueryAsync(string command, string doing, CancellationToken cancellationToken)
    {
        using var deadline = new WireDeadline(Target.CommandTimeout, cancellationToken);
        try
        {
            await SendQueryAsync(command, deadline.Token);
            return await ReadResultAsync(null, doing, deadline.Token);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"{Target}: {doing}: no answer within {Target.CommandTimeout.TotalSeconds:0} s", ConnectFailure.WhenSilent);
        }
    }

    /// <summary>Reads until the server is ready for the next command.</summary>
    /// <param name="first">The first message of the answer, when it has been read already.</param>
    public async Task<WireResult> ReadResultAsync(WireMessage? first, string doing, CancellationToken cancellationToken)
    {
        var result = new WireResultBuilder();
        ServerError? error = null;
        while (true)
        {
            var message = first ?? await ReadAsync(cancellationToken);
            first = null;
            switch (message.Type)
            {
                case WireMessage.ReadyForQuery:
                    return error is null ? result.Build() : throw error.WhileRunning(Target, doing);
                case WireMessage.ErrorResponse:
                    error ??= ServerError.Read(message.Read());
                    if (error.EndsConnection)
                    {
                        throw error.WhileRunning(Target, doing);
                    }
                    break;
                case WireMessage.RowDescription:
                    result.Describe(message.Read());
                    break;
                case WireMessage.DataRow:
                    result.Add(message.Read());
                    break;
                case WireMessage.CommandComplete or WireMessage.EmptyQueryResponse or WireMessage.CopyDone or WireMessage.CopyData:
                    break;
                default:
                    throw WireReader.Malformed($"message '{(char)message.Type}' in the answer to a command");
            }
        }
    }

    /// <summary>Breaks the connection from another thread: pending reads and writes fail with this reason.</summary>
    public void Abort(string reason)
    {
        _abortReason ??= reason;
        _socket.Dispose();
    }

    BarkeepException Lost(Exception? cause) =>
        new(ErrorKind.ConnectionLost, $"{Target}: {_abortReason ?? cause?.Message ?? "the server closed the connection"}", null, cause);

    /// <summary>Says goodbye if that is possible at once, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            if (_socket.Connected)
            {
                await SendAsync((byte)'X', default, soon.Token);
            }
        }
        catch (Exception e) when (e is BarkeepException or OperationCanceledException)
        {
            // The other side is gone already, which is what was to be told to it.
        }
        await _stream.DisposeAsync();
        _socket.Dispose();
        _sending.Dispose();
        if (Interlocked.Exchange(ref _buffer, []) is { Length: > 0 } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
