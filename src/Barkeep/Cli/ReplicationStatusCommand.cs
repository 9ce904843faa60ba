using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Postgres;

namespace Barkeep.Cli;

/// <summary><c>replication-status</c>: who streams from a server.</summary>
sealed class ReplicationStatusCommand : SessionCommand
{
    const string Query =
        """
        SELECT pid, usename::text, application_name, coalesce(host(client_addr), ''), client_port, to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'),
               state, sync_state, sync_priority, sent_lsn::text, write_lsn::text, flush_lsn::text, replay_lsn::text,
               pg_wal_lsn_diff(p.at, sent_lsn)::int8, pg_wal_lsn_diff(p.at, write_lsn)::int8, pg_wal_lsn_diff(p.at, flush_lsn)::int8, pg_wal_lsn_diff(p.at, replay_lsn)::int8,
               s.slot_name::text, p.at::text
        FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS at) p
        LEFT JOIN pg_stat_replication r ON true LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
        ORDER BY sync_priority, pid
        """;

    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _minimal = new("--minimal") { Description = "one line a client" };
    readonly IgnoredOptions _ignored = new("--target", "--source");

    public ReplicationStatusCommand()
        : base("replication-status", "Show who streams from servers.")
    {
        Add(_servers);
        Add(_minimal);
        _ignored.AddTo(this);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            _ignored.Warn(session, parse);
            await using var sql = await SqlSession.OpenAsync(session.Config.Read(server), "replication-status", cancellationToken);
            var rows = await sql.ListAsync("reading pg_stat_replication", Query, static r => Enumerable.Range(0, r.FieldCount)
                .Select(i => r.IsDBNull(i) ? null : Convert.ToString(r.GetValue(i), System.Globalization.CultureInfo.InvariantCulture)).ToArray(), cancellationToken);
            var clients = rows.Where(static r => r[0] is not null).ToList();
            session.Output.Line($"Status of streaming clients for server '{server}':");
            session.Output.Line($"  Current LSN on master: {rows[0][18]}");
            session.Output.Line($"  Number of streaming clients: {clients.Count}");
            session.Output.Line("");
            if (clients.Count == 0)
            {
                session.Output.Line("  No streaming clients attached");
            }
            for (var i = 0; i < clients.Count; i++)
            {
                Print(session.Output, i + 1, clients[i], parse.GetValue(_minimal));
            }
            session.Output.Result(server, new JsonObject { ["server_lsn"] = rows[0][18], ["streaming_clients"] = new JsonArray([.. clients.Select(static c => (JsonNode)ToJson(c))]) });
            return 0;
        });

    static void Print(Output output, int number, string?[] client, bool minimal)
    {
        if (minimal)
        {
            output.Line($"  {number}. W) {client[1]}@{client[3]} S:{client[9]} W:{client[10]} P:{client[8]} AN:{client[2]}");
            return;
        }
        output.Line($"  {number}. {(client[7] == "async" ? "Async WAL streamer" : $"#{client[8]} Sync standby")}");
        output.Line($"     Application name: {client[2]}");
        output.Line($"     Communication   : {(client[3] is "" or null ? "Unix domain socket" : "TCP/IP")}");
        output.Line($"     IP Address      : {client[3]} / Port: {client[4]} / Host: -");
        output.Line($"     User name       : {client[1]}");
        output.Line($"     Current state   : {client[6]} ({client[7]})");
        output.Line($"     Replication slot: {client[17] ?? "none"}");
        output.Line($"     WAL sender PID  : {client[0]}");
        output.Line($"     Started at      : {client[5]}");
        foreach (var (label, column) in ((string, int)[])[("Sent LSN", 9), ("Write LSN", 10), ("Flush LSN", 11), ("Replay LSN", 12)])
        {
            if (client[column] is { } position)
            {
                output.Line($"     {label,-16}: {position} (diff: {new ByteSize(long.Parse(client[column + 4] ?? "0", System.Globalization.CultureInfo.InvariantCulture))})");
            }
        }
        output.Line("");
    }

    static JsonObject ToJson(string?[] client) => new()
    {
        ["application_name"] = client[2],
        ["communication"] = client[3] is "" or null ? "Unix domain socket" : "TCP/IP",
        ["current_state"] = client[6],
        ["current_sync_state"] = client[7],
        ["flush_lsn"] = client[11],
        ["name"] = client[7] == "async" ? "Async WAL streamer" : "Sync standby",
        ["replication_slot"] = client[17],
        ["sent_lsn"] = client[9],
        ["sent_lsn_diff_bytes"] = client[13],
        ["started_at"] = client[5],
        ["user_name"] = client[1],
        ["wal_sender_pid"] = client[0],
        ["write_lsn"] = client[10],
    };
}
