namespace Barkeep.Wal;

/// <summary>A checkpoint's record (pg_control.h, CheckPoint).</summary>
/// <param name="Position">Where the record begins.</param>
/// <param name="Redo">Where replay from it begins.</param>
/// <param name="Time">To the second.</param>
/// <param name="IsShutdown">The server stopped with it, or ended recovery; otherwise it ran on.</param>
/// <param name="NextXid">The first transaction id, with its epoch, that had not been given at <paramref name="Redo"/>.</param>
public readonly record struct CheckpointMoment(Lsn Position, Lsn Redo, TimestampTz Time, bool IsShutdown, ulong NextXid);
