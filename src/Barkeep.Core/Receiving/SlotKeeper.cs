using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>Sees to it that the server has our replication slot, and that it can still keep WAL for us.</summary>
sealed class SlotKeeper(ServerConfig config, ILogger logger)
{
    /// <summary>PostgreSQL 15 brought READ_REPLICATION_SLOT.</summary>
    const int ReadableSince = 15;

    /// <summary>Where the slot stands; null when the server has no such slot.</summary>
    public async Task<SlotPosition?> ReadAsync(ReplicationConnection connection, CancellationToken cancellationToken)
    {
        if (connection.MajorVersion >= ReadableSince)
        {
            return await connection.ReadSlotAsync(config.SlotName, cancellationToken);
        }
        await using var sql = await WireStartup.OpenAsync(ConnectionTarget.ForBackup(config), replication: false, cancellationToken);
        var row = await sql.QueryAsync(
            $"SELECT restart_lsn::text AS restart_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = '{config.SlotName}'",
            $"reading the replication slot {config.SlotName}",
            cancellationToken);
        _ = Lsn.TryParse(row.Text("restart_lsn"), out var restart);
        return row.Rows.Count == 0 ? null : new(restart, null);
    }

    /// <summary>As <see cref="ReadAsync"/>, but null also for one that <see cref="EnsureAsync"/> would make anew.</summary>
    public async Task<SlotPosition?> FindAsync(ReplicationConnection connection, bool lost, CancellationToken cancellationToken) =>
        await ReadAsync(connection, cancellationToken) is { } slot && !(lost && !slot.RestartLsn.IsValid) ? slot : null;

    /// <summary>Creates the slot if it is missing.</summary>
    /// <param name="lost">WAL that we need was removed, or the server says that the slot cannot be used: one that keeps nothing is made anew.</param>
    /// <returns>Where the slot stands.</returns>
    public async Task<SlotPosition> EnsureAsync(ReplicationConnection connection, bool lost, CancellationToken cancellationToken)
    {
        var slot = await ReadAsync(connection, cancellationToken);
        if (lost && slot is { RestartLsn.IsValid: false })
        {
            logger.LogWarning("the server has given up the replication slot {Slot}: making it anew", config.SlotName);
            await connection.DropSlotAsync(config.SlotName, cancellationToken);
            slot = null;
        }
        if (slot is null)
        {
            await connection.CreateSlotAsync(config.SlotName, cancellationToken);
            slot = await ReadAsync(connection, cancellationToken)
                ?? throw new BarkeepException(ErrorKind.SlotMissing, $"the replication slot {config.SlotName} vanished as soon as it was made", "something drops it: look into the server's log");
            logger.LogInformation("made the replication slot {Slot}, which keeps WAL from {Position} on", config.SlotName, slot.Value.RestartLsn);
        }
        return slot.Value;
    }
}
