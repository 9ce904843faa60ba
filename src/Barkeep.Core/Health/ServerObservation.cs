using Barkeep.Postgres;
using Barkeep.Wal;

namespace Barkeep.Health;

/// <summary>What the running server said of itself, to the backup role.</summary>
/// <param name="Version">As it prints itself: <c>15.18</c>.</param>
/// <param name="DataSize">Bytes of all databases; null when the role may not know.</param>
/// <param name="DataDirectory">Null when the role may not know.</param>
/// <param name="Position">Where its WAL ends now; on a standby, what it has received.</param>
/// <param name="SlotLimit">max_slot_wal_keep_size in bytes; null for none.</param>
public sealed record ServerObservation(
    string Version,
    int MajorVersion,
    bool IsInRecovery,
    ulong SystemId,
    string WalLevel,
    long? DataSize,
    string? DataDirectory,
    TimelineId Timeline,
    Lsn Position,
    long? SlotLimit,
    IReadOnlyList<BackupGrants.Grant> MissingGrants,
    IReadOnlyList<ReplicationSlot> Slots)
{
    const string Query =
        """
        SELECT current_setting('server_version'), pg_is_in_recovery(), s.system_identifier, current_setting('wal_level'),
               CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN (SELECT sum(pg_tablespace_size(oid))::int8 FROM pg_tablespace) END,
               CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END,
               c.timeline_id,
               (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END)::text,
               current_setting('max_slot_wal_keep_size')
        FROM pg_control_system() s, pg_control_checkpoint() c
        """;

    /// <summary>Asks the server.</summary>
    public static async Task<ServerObservation> ReadAsync(SqlSession session, CancellationToken cancellationToken)
    {
        var slots = await ReplicationSlot.ListAsync(session, cancellationToken);
        var missing = await BackupGrants.MissingAsync(session, cancellationToken);
        var rows = await session.ListAsync("reading the server's state", Query, r =>
        {
            _ = Lsn.TryParse(r.IsDBNull(7) ? "" : r.GetString(7), out var position);
            return new ServerObservation(
                r.GetString(0).Split(' ')[0],
                session.VersionNumber / 10_000,
                r.GetBoolean(1),
                (ulong)r.GetInt64(2),
                r.GetString(3),
                r.IsDBNull(4) ? null : r.GetInt64(4),
                r.IsDBNull(5) ? null : r.GetString(5),
                new((uint)r.GetInt32(6)),
                position,
                Megabytes(r.GetString(8)),
                missing,
                slots);
        }, cancellationToken);
        return rows[0];
    }

    // The unit is the largest that divides the value; -1 is no limit.
    static long? Megabytes(string setting)
    {
        var digits = setting.TrimEnd('k', 'M', 'G', 'T', 'B');
        return long.TryParse(digits, out var value) && value >= 0
            ? value << (setting[digits.Length..] switch { "kB" => 10, "GB" => 30, "TB" => 40, _ => 20 })
            : null;
    }
}
