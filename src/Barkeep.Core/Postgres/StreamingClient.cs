using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>Who streams WAL from a server, as it shows that (pg_stat_replication).</summary>
/// <param name="Address">Null for a Unix socket, and where the role may not know.</param>
/// <param name="Sent">Null where the role may not know.</param>
/// <param name="Replayed">Null for a client that only stores WAL.</param>
public sealed record StreamingClient(
    int ProcessId,
    string? User,
    string? Application,
    string? Address,
    int? Port,
    string? Host,
    string? StartedAt,
    string? State,
    string? SyncState,
    int SyncPriority,
    string? Slot,
    Lsn? Sent,
    Lsn? Written,
    Lsn? Flushed,
    Lsn? Replayed)
{
    const string Query =
        """
        SELECT r.pid, r.usename::text, r.application_name, host(r.client_addr), r.client_port, r.client_hostname, to_char(r.backend_start, 'YYYY-MM-DD HH24:MI:SS.USTZH:TZM'),
               r.state, r.sync_state, r.sync_priority, s.slot_name::text, r.sent_lsn::text, r.write_lsn::text, r.flush_lsn::text, r.replay_lsn::text
        FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
        ORDER BY r.sync_priority = 0, r.sync_priority, r.pid
        """;

    const string EndQuery = "SELECT pg_is_in_recovery(), (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END)::text, pg_last_wal_replay_lsn()::text";

    /// <summary>Whether it replays what it gets: a standby.</summary>
    public bool IsStandby => Replayed is not null;

    public bool IsSynchronous => SyncState is not (null or "async");

    /// <summary>Those with a priority for synchronous replication first.</summary>
    public static Task<List<StreamingClient>> ListAsync(SqlSession session, CancellationToken cancellationToken) =>
        session.ListAsync("reading pg_stat_replication", Query, static r => new StreamingClient(
            r.GetInt32(0), Text(r, 1), Text(r, 2), Text(r, 3), r.IsDBNull(4) ? null : r.GetInt32(4), Text(r, 5), Text(r, 6), Text(r, 7), Text(r, 8),
            r.IsDBNull(9) ? 0 : r.GetInt32(9), Text(r, 10), Position(r, 11), Position(r, 12), Position(r, 13), Position(r, 14)), cancellationToken);

    /// <summary>Where the server's WAL ends; of a standby, what it has received, and what it has replayed.</summary>
    public static async Task<(Lsn End, Lsn? Replayed)> ReadEndAsync(SqlSession session, CancellationToken cancellationToken) =>
        (await session.ListAsync("asking where WAL ends", EndQuery, static r => (Position(r, 1) ?? Position(r, 2) ?? Lsn.Invalid, r.GetBoolean(0) ? Position(r, 2) : null), cancellationToken))[0];

    static string? Text(Npgsql.NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    static Lsn? Position(Npgsql.NpgsqlDataReader row, int column) => Lsn.TryParse(Text(row, column) ?? "", out var lsn) ? lsn : null;
}
