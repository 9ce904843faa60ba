using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>What makes a database cluster itself: its system identifier, and what can only change together with it.</summary>
/// <param name="SystemId">pg_control's system_identifier.</param>
/// <param name="MajorVersion">15 for PostgreSQL 15.x.</param>
public readonly record struct ClusterIdentity(ulong SystemId, int MajorVersion, SegmentSize SegmentSize);
