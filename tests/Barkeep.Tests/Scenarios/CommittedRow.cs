using Barkeep.Wal;

namespace Barkeep.Tests.Scenarios;

/// <summary>A row that a transaction of its own has brought, and what the server itself says of that transaction.</summary>
/// <param name="Time">By pg_xact_commit_timestamp.</param>
/// <param name="Commit">Where its commit record begins, by pg_waldump.</param>
public sealed record CommittedRow(int Row, TimelineId Timeline, uint Xid, DateTimeOffset Time, Lsn Commit);
