using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>The end of a timeline that the server has left: where, and for which one.</summary>
public readonly record struct TimelineEnd(TimelineId NextTimeline, Lsn SwitchPoint);
