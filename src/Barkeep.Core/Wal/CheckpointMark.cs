namespace Barkeep.Wal;

/// <summary>A checkpoint of a server's, as its pg_control tells of it: enough to know it again in the WAL, also where another branch has one in the same place.</summary>
/// <param name="Position">Where its record begins.</param>
/// <param name="Redo">Where replay from it begins.</param>
/// <param name="Time">To the second; null when that is not known.</param>
public readonly record struct CheckpointMark(Lsn Position, Lsn Redo, DateTimeOffset? Time)
{
    /// <summary>Whether a record is that of this checkpoint.</summary>
    public bool Is(in CheckpointMoment found) => found.Position == Position && found.Redo == Redo && (Time is not { } time || TimestampTz.From(time) == found.Time);
}
