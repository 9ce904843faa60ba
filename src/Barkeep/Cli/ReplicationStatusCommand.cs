using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>replication-status</c>: who streams from a server, how far each has come, and how far Barkeep itself has.</summary>
sealed class ReplicationStatusCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _minimal = new("--minimal") { Description = "one line a client" };
    readonly Option<string> _target = new("--target") { Description = "hot-standby, wal-streamer or all", DefaultValueFactory = static _ => "all" };
    readonly Option<string> _source = new("--source") { Description = "backup-host or wal-host, which are the same here", Hidden = true };

    public ReplicationStatusCommand()
        : base("replication-status", "Show who streams from servers.")
    {
        Choice.Restrict(_target, ["all", "hot-standby", "wal-streamer"]);
        Choice.Restrict(_source, ["backup-host", "wal-host"]);
        Add(_servers);
        Add(_minimal);
        Add(_target);
        Add(_source);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var target = parse.GetValue(_target)!;
            await using var sql = await SqlSession.OpenAsync(session.Config.Read(server), "replication-status", cancellationToken);
            var (end, replayed) = await StreamingClient.ReadEndAsync(sql, cancellationToken);
            var clients = (await StreamingClient.ListAsync(sql, cancellationToken)).Where(c => target == "all" || c.IsStandby == (target == "hot-standby")).ToList();
            var result = new JsonObject { ["server_lsn"] = end.ToString(), ["streaming_clients"] = new JsonArray([.. clients.Select(c => (JsonNode)ToJson(c, end))]) };
            PrintHead(session.Output, server, target, end, replayed, clients.Count);
            if (replayed is { } position)
            {
                result["standby_info"] = new JsonObject { ["received_lsn"] = end.ToString(), ["replayed_lsn"] = position.ToString() };
            }
            for (var i = 0; i < clients.Count; i++)
            {
                Print(session.Output, i + 1, clients[i], end, parse.GetValue(_minimal));
            }
            if (target != "hot-standby")
            {
                result["own_streamer"] = await PrintOwnAsync(session, server, end, cancellationToken);
            }
            session.Output.Result(server, result);
            return 0;
        });

    static void PrintHead(Output output, ServerName server, string target, Lsn end, Lsn? replayed, int count)
    {
        var kind = target switch { "hot-standby" => "hot standby servers", "wal-streamer" => "WAL streamers", _ => "streaming clients" };
        output.Line($"Status of {kind} for server '{server}':");
        if (replayed is { } position)
        {
            output.Line($"  Latest LSN received by standby: {end}");
            output.Line($"  Latest LSN replayed by standby: {position}");
        }
        else
        {
            output.Line($"  Current LSN on master: {end}");
        }
        output.Line($"  Number of {kind}: {count}");
        output.Line("");
        if (count == 0)
        {
            output.Line($"  No {kind} attached");
        }
    }

    static void Print(Output output, int number, StreamingClient client, Lsn end, bool minimal)
    {
        if (minimal)
        {
            output.Line($"  {number}. {(client.IsStandby ? 'R' : 'W')}) {client.User}@{client.Address ?? "[local]"} S:{client.Sent} W:{client.Written} P:{client.SyncPriority} AN:{client.Application}");
            return;
        }
        output.Line($"  {number}. {NameOf(client)}");
        foreach (var (label, value) in Rows(client, end))
        {
            output.Line($"     {label,-16}: {value}");
        }
        output.Line("");
    }

    static IEnumerable<(string Label, string Value)> Rows(StreamingClient client, Lsn end)
    {
        yield return ("Application name", client.Application ?? "");
        yield return ("Sync stage", StageOf(client, end));
        yield return ("Communication", client.Address is null ? "Unix domain socket" : "TCP/IP");
        if (client.Address is not null)
        {
            yield return ("IP Address", $"{client.Address} / Port: {client.Port} / Host: {client.Host ?? "-"}");
        }
        yield return ("User name", client.User ?? "unknown: GRANT pg_monitor shows it");
        yield return ("Current state", $"{client.State} ({client.SyncState})");
        if (client.Slot is { } slot)
        {
            yield return ("Replication slot", slot);
        }
        yield return ("WAL sender PID", client.ProcessId.ToString(CultureInfo.InvariantCulture));
        yield return ("Started at", client.StartedAt ?? "");
        foreach (var (name, position) in Positions(client))
        {
            yield return ($"{char.ToUpperInvariant(name[0])}{name[1..]} LSN", $"{position} (diff: {Behind(position, end)})");
        }
    }

    /// <summary>What Barkeep itself has, by its receiver's own word: how much of the server's WAL would be lost if it went now.</summary>
    static async Task<JsonObject> PrintOwnAsync(Session session, ServerName server, Lsn end, CancellationToken cancellationToken)
    {
        var state = ReceiverState.TryRead(session.Locations.ReceiverStateFile(server));
        var runs = new ReceiverDuty(session, server).IsRunning;
        var json = new JsonObject { ["running"] = runs, ["phase"] = state?.Phase.ToString() };
        var phase = !runs ? "not running" : state is null ? "starting" : state.Phase == ReceiverPhase.Streaming ? "streaming" : state.Reason ?? state.Phase.ToString();
        session.Output.Line($"  Barkeep's receiver: {phase}");
        if (state is not null)
        {
            foreach (var (label, key, position) in new[] { ("Flushed here", "flushed_lsn", state.Flushed), ("In the repository", "archived_lsn", state.Archived) })
            {
                session.Output.Line($"     {label,-16}: {position} (diff: {Behind(position, end)})");
                json[key] = position.ToString();
                json[key + "_diff_bytes"] = Math.Max(0, end - position);
            }
        }
        var gaps = (await session.OpenRepositoryAsync(server, cancellationToken)).Current is { } lineage ? (await CoverageReport.LookAsync(session, server, lineage, cancellationToken)).Gaps : [];
        foreach (var gap in gaps)
        {
            session.Output.Line($"     WAL gap         : {gap}");
        }
        json["wal_gaps"] = new JsonArray([.. gaps.Select(static g => (JsonNode)g.ToString())]);
        return json;
    }

    static IEnumerable<(string Name, Lsn Position)> Positions(StreamingClient client)
    {
        (string, Lsn?)[] all = [("sent", client.Sent), ("write", client.Written), ("flush", client.Flushed), ("replay", client.Replayed)];
        return all.Where(static p => p.Item2 is not null).Select(static p => (p.Item1, p.Item2!.Value));
    }

    // How safe a commit of this moment is with this client: how far of sending, writing, flushing and replaying it has come.
    static string StageOf(StreamingClient client, Lsn end)
    {
        var (stage, name) = client.IsStandby && client.Replayed >= end ? (5, "Hot standby (max)")
            : client.IsStandby && client.Flushed >= end ? (4, "2-safe")
            : client.Written >= end ? (3, "Remote write")
            : client.Sent >= end ? (2, "WAL Sent (min)")
            : (1, "1-safe");
        return $"{stage}/{(client.IsStandby ? 5 : 3)} {name}";
    }

    static string NameOf(StreamingClient client) =>
        (client.IsSynchronous ? $"#{client.SyncPriority} Sync " : "Async ") + (client.IsStandby ? "standby" : "WAL streamer");

    static ByteSize Behind(Lsn position, Lsn end) => new(Math.Max(0, end - position));

    static JsonObject ToJson(StreamingClient client, Lsn end)
    {
        var json = new JsonObject
        {
            ["application_name"] = client.Application,
            ["client_addr"] = client.Address,
            ["client_port"] = client.Port,
            ["communication"] = client.Address is null ? "Unix domain socket" : "TCP/IP",
            ["current_state"] = client.State,
            ["current_sync_state"] = client.SyncState,
            ["name"] = NameOf(client),
            ["replication_slot"] = client.Slot,
            ["started_at"] = client.StartedAt,
            ["sync_stage"] = StageOf(client, end),
            ["user_name"] = client.User,
            ["wal_sender_pid"] = client.ProcessId,
        };
        foreach (var (name, position) in Positions(client))
        {
            json[$"{name}_lsn"] = position.ToString();
            json[$"{name}_lsn_diff"] = Behind(position, end).ToString();
            json[$"{name}_lsn_diff_bytes"] = Math.Max(0, end - position);
        }
        return json;
    }
}
