using System.Net;
using System.Net.Sockets;

namespace Barkeep.Tests.Rig;

/// <summary>A network that a test can break: passes bytes between a port of its own and a server's, or several servers', to which connections go in turn.</summary>
public sealed class TcpRelay : IAsyncDisposable
{
    readonly int[] _targets;
    readonly TcpListener _listener;
    readonly CancellationTokenSource _end = new();
    readonly Task _accepting;
    readonly HashSet<Socket> _sockets = [];
    readonly Lock _lock = new();
    TaskCompletionSource _flowing = Done();
    long _toClient;
    long _corruptAt = -1;
    int _connections;

    public TcpRelay(params int[] targets)
    {
        _targets = targets;
        Port = FreePort.Take();
        _listener = new(IPAddress.Loopback, Port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where to connect instead of the server's port.</summary>
    public int Port { get; }

    /// <summary>Connections taken so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Bytes passed from the server to clients so far, over all connections.</summary>
    public long BytesToClients => Interlocked.Read(ref _toClient);

    /// <summary>Whether new connections are closed at once.</summary>
    public bool Refusing { get; set; }

    /// <summary>How long each 64 KiB take to clients, at least.</summary>
    public TimeSpan Slowness { get; set; }

    /// <summary>Resets all connections; new ones are taken.</summary>
    public void Cut()
    {
        lock (_lock)
        {
            foreach (var socket in _sockets)
            {
                socket.LingerState = new(true, 0);
                socket.Close();
            }
            _sockets.Clear();
        }
    }

    /// <summary>Passes nothing on, in either direction, until <see cref="Resume"/>.</summary>
    public void Stall() => _flowing = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Resume() => _flowing.TrySetResult();

    /// <summary>Flips a bit of the byte that comes after so many more bytes to clients, once.</summary>
    public void CorruptAfter(long bytes) => Interlocked.Exchange(ref _corruptAt, BytesToClients + bytes);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Cut();
        Resume();
        await _accepting;
        _end.Dispose();
    }

    async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_end.Token);
                if (Refusing)
                {
                    client.Close(0);
                    continue;
                }
                var number = Interlocked.Increment(ref _connections) - 1;
                _ = ConnectAsync(client, _targets[number % _targets.Length]);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
    }

    async Task ConnectAsync(Socket client, int target)
    {
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, target);
            lock (_lock)
            {
                _sockets.Add(client);
                _sockets.Add(server);
            }
            client.NoDelay = server.NoDelay = true;
            // When either direction ends, so does the connection, as both of PostgreSQL's peers take it.
            await Task.WhenAny(PassAsync(client, server, toClient: false), PassAsync(server, client, toClient: true));
        }
        catch (SocketException)
        {
        }
        finally
        {
            lock (_lock)
            {
                _sockets.Remove(client);
                _sockets.Remove(server);
            }
            client.Dispose();
            server.Dispose();
        }
    }

    async Task PassAsync(Socket from, Socket to, bool toClient)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while (await from.ReceiveAsync(buffer) is var count and > 0)
            {
                await _flowing.Task;
                if (toClient)
                {
                    await Task.Delay(Slowness);
                    Corrupt(buffer.AsSpan(0, count));
                }
                await to.SendAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    void Corrupt(Span<byte> bytes)
    {
        var start = Interlocked.Add(ref _toClient, bytes.Length) - bytes.Length;
        var at = Interlocked.Read(ref _corruptAt);
        if (at >= start && at < start + bytes.Length)
        {
            bytes[(int)(at - start)] ^= 0x10;
        }
    }

    static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }
}
