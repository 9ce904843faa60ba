namespace Barkeep.Wal;

/// <summary>What pg_create_restore_point has left in the WAL.</summary>
/// <param name="Position">Where the record begins.</param>
public readonly record struct RestorePoint(Lsn Position, TimestampTz Time, string Name);
