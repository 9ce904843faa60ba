using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>What the server says of a physical replication slot that exists.</summary>
/// <param name="RestartLsn">The oldest position that it keeps WAL from; invalid when it reserves nothing, or has lost what it reserved.</param>
/// <param name="RestartTimeline">The timeline of that position; null where the server does not say (before 15).</param>
public readonly record struct SlotPosition(Lsn RestartLsn, TimelineId? RestartTimeline);
