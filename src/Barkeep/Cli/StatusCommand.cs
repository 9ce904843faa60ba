using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>status</c>: what a server, its receiver and its backups are like now.</summary>
sealed class StatusCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();

    public StatusCommand()
        : base("status", "Show what servers, their receivers and their backups are like now.") => Add(_servers);

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var config = session.ReadSetUp(server);
            var facts = await new HealthProbe(config, session.Locations, session.Time).GatherAsync(cancellationToken);
            session.Output.Line($"Server {server}:");
            var result = new JsonObject();
            foreach (var (key, description, message) in Rows(config, facts))
            {
                session.Output.Line($"\t{description}: {message}");
                result[key] = new JsonObject { ["description"] = description, ["message"] = message };
            }
            session.Output.Result(server, result);
            return 0;
        });

    static IEnumerable<(string Key, string Description, string Message)> Rows(ServerConfig config, HealthFacts facts)
    {
        yield return ("description", "Description", config.Description);
        yield return ("active", "Active", "True");
        yield return ("disabled", "Disabled", "False");
        yield return ("active_model", "Active configuration model", "None");
        foreach (var row in facts.Server is { } server ? ServerRows(facts, server) : [("pg_version", "PostgreSQL version", $"FAILED trying to get PostgreSQL version: {facts.ServerFailure?.Line}")])
        {
            yield return row;
        }
        yield return ("receive_wal", "WAL receiver", ServerReport.Receiver(facts));
        yield return ("passive_node", "Passive node", "False");
        yield return ("retention_policies", "Retention policies", config.Retention.IsNone ? "not enforced" : $"enforced (mode: auto, retention: {config.Retention}, WAL retention: MAIN)");
        var usable = facts.Backups.Where(static b => b.State is BackupState.Done or BackupState.WaitingForWals).ToList();
        yield return ("backups_number", "No. of available backups", usable.Count.ToString(CultureInfo.InvariantCulture));
        yield return ("first_backup", "First available backup", usable.Count == 0 ? "None" : usable[0].Id.ToString());
        yield return ("last_backup", "Last available backup", usable.Count == 0 ? "None" : usable[^1].Id.ToString());
        yield return ("minimum_redundancy", "Minimum redundancy requirements", MinimumRedundancy(config, facts));
        if (facts.Coverage is { Gaps: { Count: > 0 } gaps })
        {
            yield return ("wal_gaps", "WAL gaps", string.Join("; ", gaps));
        }
    }

    static IEnumerable<(string Key, string Description, string Message)> ServerRows(HealthFacts facts, ServerObservation server)
    {
        yield return ("pg_version", "PostgreSQL version", server.Version);
        yield return ("is_in_recovery", "Cluster state", server.IsInRecovery ? "in archive recovery" : "in production");
        yield return ("current_size", "Current data size", server.DataSize is { } size ? new ByteSize(size).ToString() : "unknown: GRANT pg_monitor shows it");
        yield return ("data_directory", "PostgreSQL Data directory", server.DataDirectory ?? "unknown: GRANT pg_read_all_settings shows it");
        if (facts.Known is { } known)
        {
            yield return ("current_xlog", "Current WAL segment", SegmentName.Containing(server.Timeline, server.Position, known.SegmentSize).ToString());
        }
        if (server.Slots.FirstOrDefault(s => s.Name == facts.Config.SlotName) is { } slot)
        {
            yield return ("replication_slot", "Replication slot", $"{slot.Name} ({new ByteSize(slot.RetainedBytes)} retained)");
        }
    }

    static string MinimumRedundancy(ServerConfig config, HealthFacts facts) =>
        string.Create(CultureInfo.InvariantCulture, $"{(facts.Redundancy >= config.MinimumRedundancy ? "satisfied" : "FAILED")} ({facts.Redundancy}/{config.MinimumRedundancy})");
}
