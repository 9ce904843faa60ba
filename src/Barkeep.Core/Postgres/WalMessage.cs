using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>One message of a WAL stream (protocol-replication.html, START_REPLICATION).</summary>
/// <param name="Start">Data: the position of its first byte.</param>
/// <param name="ServerEnd">The server's flush position when it sent this.</param>
/// <param name="ReplyRequested">Whether the server wants a status update at once.</param>
/// <param name="Data">The bytes, in the connection's buffer: valid until the next read.</param>
public readonly record struct WalMessage(WalMessageKind Kind, Lsn Start, Lsn ServerEnd, bool ReplyRequested, ReadOnlyMemory<byte> Data);
