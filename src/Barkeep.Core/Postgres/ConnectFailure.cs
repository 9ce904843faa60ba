using System.Net.Sockets;
using Barkeep.Common;

namespace Barkeep.Postgres;

/// <summary>Why no connection came about, whatever was to be spoken on it.</summary>
static class ConnectFailure
{
    /// <summary>What to do when nothing is known but that.</summary>
    public const string WhatToDo = "check host and port, and that PostgreSQL is running";

    /// <summary>What to do when an answer does not come in time.</summary>
    public const string WhenSilent = "look whether the server is overloaded, and at the network";

    /// <param name="cause">What the socket, or the lookup of the name, said.</param>
    /// <param name="error">What that was the cause of.</param>
    public static BarkeepException Of(ConnectionTarget target, Exception cause, Exception error) => cause is SocketException { SocketErrorCode: var code } && IsOfName(code)
        // What the system says may be no more than "Resource temporarily unavailable".
        ? new(ErrorKind.ServerUnreachable, $"{target} cannot be reached: the host name {target.Host} cannot be looked up", $"check host, and this machine's DNS: getent hosts {target.Host}", error)
        : new(ErrorKind.ServerUnreachable, $"{target} cannot be reached: {cause.Message.ReplaceLineEndings(" ")}", WhatToDo, error);

    static bool IsOfName(SocketError code) => code is SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery;
}
