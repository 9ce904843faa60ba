namespace Barkeep.Wal;

/// <summary>Where a promoted server went on with a timeline of its own: the end of its recovery.</summary>
/// <param name="Position">Where the record begins: the first of the new timeline, or one of the first.</param>
public readonly record struct TimelineSwitch(Lsn Position, TimelineId From, TimelineId To, TimestampTz Time);
