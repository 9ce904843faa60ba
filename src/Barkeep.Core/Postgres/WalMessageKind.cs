namespace Barkeep.Postgres;

/// <summary>What kind of message a WAL stream brought.</summary>
public enum WalMessageKind
{
    /// <summary>WAL bytes.</summary>
    Data,

    /// <summary>A sign of life, with the server's position.</summary>
    Keepalive,

    /// <summary>No more WAL on this timeline: <see cref="ReplicationConnection.FinishAsync"/> tells why.</summary>
    End,
}
