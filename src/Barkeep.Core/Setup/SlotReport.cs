using Barkeep.Postgres;

namespace Barkeep.Setup;

/// <summary>The replication slot is there.</summary>
/// <param name="Created">Whether it was made just now.</param>
/// <param name="Abandoned">Slots of other installations of Barkeep for this server that nobody uses and that keep WAL.</param>
public sealed record SlotReport(bool Created, IReadOnlyList<ReplicationSlot> Abandoned);
