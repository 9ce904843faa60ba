using Barkeep.Wal;

namespace Barkeep.Tests.Scenarios;

/// <summary>A row that a transaction of its own has brought, and what the server itself says of that transaction.</summary>
/// <param name="Time">By pg_xact_commit_timestamp.</param>
/// <param name="Before">The end of the WAL before COMMIT.</param>
/// <param name="After">The end of the WAL after it.</param>
public sealed record CommittedRow(int Row, TimelineId Timeline, uint Xid, TimestampTz Time, Lsn Before, Lsn After);
