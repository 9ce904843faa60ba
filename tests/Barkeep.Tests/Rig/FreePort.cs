using System.Net;
using System.Net.Sockets;

namespace Barkeep.Tests.Rig;

/// <summary>
/// Loopback ports that nobody listens on. They are taken from below the range from which the kernel gives ports to
/// outgoing connections, so that none of those gets one between here and the server's start.
/// </summary>
static class FreePort
{
    const int First = 10_000;
    const int Last = 32_000;

    static readonly HashSet<int> Given = [];

    public static int Take()
    {
        lock (Given)
        {
            while (true)
            {
                var port = Random.Shared.Next(First, Last);
                if (IsFree(port) && Given.Add(port))
                {
                    return port;
                }
            }
        }
    }

    static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
