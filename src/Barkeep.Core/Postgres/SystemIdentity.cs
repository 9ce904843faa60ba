using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>What IDENTIFY_SYSTEM answers (protocol-replication.html).</summary>
/// <param name="SystemId">The cluster's identifier, made by initdb and shared by its standbys and clones.</param>
/// <param name="Timeline">The timeline that the server is on now.</param>
/// <param name="Flushed">The end of the WAL that the server has flushed.</param>
public readonly record struct SystemIdentity(ulong SystemId, TimelineId Timeline, Lsn Flushed);
