using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>A replication slot as the server shows it (view-pg-replication-slots.html).</summary>
/// <param name="Client">Who uses it now, as far as the role may see: process id, application, address.</param>
/// <param name="RestartLsn">The oldest position it keeps WAL from; invalid when it keeps none.</param>
/// <param name="WalStatus">reserved, extended, unreserved or lost; null when it keeps none.</param>
/// <param name="SafeWalSize">Bytes that may still be written before its WAL is in danger; null when nothing limits what it keeps.</param>
/// <param name="RetainedBytes">WAL from its position to the server's.</param>
public sealed record ReplicationSlot(
    string Name,
    bool IsPhysical,
    bool IsActive,
    string? Client,
    Lsn RestartLsn,
    string? WalStatus,
    long? SafeWalSize,
    long RetainedBytes)
{
    const string Query =
        """
        SELECT s.slot_name::text, s.slot_type = 'physical', s.active, s.active_pid, r.application_name, host(r.client_addr), r.usename::text,
               s.restart_lsn::text, s.wal_status, s.safe_wal_size,
               coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn), 0)::int8
        FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
        ORDER BY 1
        """;

    /// <summary>Whether the server has given up the WAL that it kept.</summary>
    public bool IsLost => WalStatus == "lost";

    /// <summary>All slots of the server, by name.</summary>
    public static async Task<IReadOnlyList<ReplicationSlot>> ListAsync(SqlSession session, CancellationToken cancellationToken) =>
        await session.ListAsync("reading the replication slots", Query, static r =>
        {
            _ = Lsn.TryParse(r.IsDBNull(7) ? "" : r.GetString(7), out var restart);
            return new ReplicationSlot(
                r.GetString(0),
                r.GetBoolean(1),
                r.GetBoolean(2),
                r.IsDBNull(3) ? null : Describe(r.GetInt32(3), Text(r, 4), Text(r, 5), Text(r, 6)),
                restart,
                Text(r, 8),
                r.IsDBNull(9) ? null : r.GetInt64(9),
                Math.Max(0, r.GetInt64(10)));
        }, cancellationToken);

    static string? Text(Npgsql.NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    static string Describe(int pid, string? application, string? address, string? user) =>
        user is null && application is null
            ? $"process {pid}; pg_monitor shows whose"
            : $"process {pid}, application {application}, user {user}, from {address ?? "the server itself"}";
}
