using System.Net;
using System.Net.Sockets;
using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Postgres;

/// <summary>From nothing to a connection that is ready for its first command: socket, TLS, startup packet, authentication.</summary>
static class WireStartup
{
    const int ProtocolVersion = 3 << 16;

    /// <exception cref="BarkeepException">
    /// ServerUnreachable, AuthenticationFailed, NoReplicationPrivilege, NoFreeWalSender, Configuration (certificate files).
    /// </exception>
    public static async Task<WireConnection> OpenAsync(ConnectionTarget target, bool replication, CancellationToken cancellationToken)
    {
        using var deadline = new WireDeadline(target.ConnectTimeout, cancellationToken);
        try
        {
            return await AttemptAsync(target, replication, useTls: target.SslMode != SslMode.Disable, deadline.Token);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(
                ErrorKind.ServerUnreachable, $"{target} does not answer within {target.ConnectTimeout.TotalSeconds:0} s", "check host, port and firewall");
        }
    }

    static async Task<WireConnection> AttemptAsync(ConnectionTarget target, bool replication, bool useTls, CancellationToken cancellationToken)
    {
        var socket = await ConnectAsync(target, cancellationToken);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        WireConnection? connection = null;
        try
        {
            if (useTls && !target.IsUnixSocket)
            {
                stream = await WireTls.NegotiateAsync(target, stream, cancellationToken);
            }
            connection = new(target, socket, stream);
            await connection.SendAsync(StartupPacket(target, replication), cancellationToken);
            await WireAuthentication.RunAsync(connection, replication, cancellationToken);
            await WaitUntilReadyAsync(connection, replication, cancellationToken);
            return connection;
        }
        catch (Exception e)
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
            await stream.DisposeAsync();
            if (useTls && target.SslMode is SslMode.Prefer && IsTlsRefusal(e))
            {
                return await AttemptAsync(target, replication, useTls: false, cancellationToken);
            }
            throw Explain(e, target);
        }
    }

    /// <summary>With sslmode=prefer, a server that lets this user in only without TLS is asked again without it, as libpq does.</summary>
    static bool IsTlsRefusal(Exception error) =>
        error is System.Security.Authentication.AuthenticationException
        || (error as BarkeepException)?.InnerException is ServerErrorException { Error: { SqlState: "28000", Routine: "ClientAuthentication" } };

    static Exception Explain(Exception error, ConnectionTarget target) => error switch
    {
        BarkeepException { Kind: ErrorKind.ConnectionLost } lost =>
            new BarkeepException(ErrorKind.ServerUnreachable, $"{lost.Message} while connecting", lost.Hint ?? ConnectFailure.WhatToDo, lost),
        System.Security.Authentication.AuthenticationException =>
            new BarkeepException(ErrorKind.AuthenticationFailed, $"{target}: TLS failed: {error.InnerException?.Message ?? error.Message}", "check sslmode and the certificates", error),
        IOException => new BarkeepException(ErrorKind.ServerUnreachable, $"{target}: {error.Message}", ConnectFailure.WhatToDo, error),
        _ => error,
    };

    static async Task<Socket> ConnectAsync(ConnectionTarget target, CancellationToken cancellationToken)
    {
        var socket = target.IsUnixSocket
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (target.IsUnixSocket)
            {
                var path = Path.Combine(target.Host, $".s.PGSQL.{target.Port}");
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            }
            else
            {
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
                // A name that does not resolve keeps getaddrinfo busy for half a minute, and nothing can interrupt it: it is left behind.
                await socket.ConnectAsync(new DnsEndPoint(target.Host, target.Port), cancellationToken).AsTask().WaitAsync(cancellationToken);
            }
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or ArgumentException
                ? ConnectFailure.Of(target, e, e)
                : e;
        }
    }

    static byte[] StartupPacket(ConnectionTarget target, bool replication)
    {
        var text = new StringBuilder();
        Add("user", target.User);
        Add("database", replication ? "replication" : target.Database);
        if (replication)
        {
            Add("replication", "true");
        }
        Add("application_name", target.ApplicationName);
        Add("client_encoding", "UTF8");
        text.Append('\0');
        var parameters = Encoding.UTF8.GetBytes(text.ToString());
        var packet = new byte[8 + parameters.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(packet, packet.Length);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(4), ProtocolVersion);
        parameters.CopyTo(packet, 8);
        return packet;

        void Add(string name, string value)
        {
            if (value.Contains('\0', StringComparison.Ordinal))
            {
                throw new BarkeepException(ErrorKind.Configuration, $"the connection's {name} contains a zero byte");
            }
            text.Append(name).Append('\0').Append(value).Append('\0');
        }
    }

    static async Task WaitUntilReadyAsync(WireConnection connection, bool replication, CancellationToken cancellationToken)
    {
        while (true)
        {
            var message = await connection.ReadAsync(cancellationToken);
            switch (message.Type)
            {
                case WireMessage.ReadyForQuery:
                    return;
                case WireMessage.BackendKeyData or WireMessage.NegotiateProtocolVersion:
                    break;
                case WireMessage.ErrorResponse:
                    throw ServerError.Read(message.Read()).WhileConnecting(connection.Target, replication);
                default:
                    throw WireReader.Malformed($"message '{(char)message.Type}' after authentication");
            }
        }
    }
}
