using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>A server's configuration in effect, with stars for secrets, and what it is like now, key by key.</summary>
static class ServerReport
{
    public static IEnumerable<(string Key, JsonNode? Value)> Configuration(ServerConfig config) =>
    [
        ("description", config.Description),
        ("host", config.Host),
        ("port", config.Port),
        ("dbname", config.Database),
        ("user_backup", config.BackupUser),
        ("pass_backup", config.BackupPassword.ToString()),
        ("user_stream", config.StreamingUser),
        ("pass_stream", config.StreamingPassword.ToString()),
        ("slot_name", config.SlotName),
        ("application_name", config.ApplicationName),
        ("sslmode", Mode(config.SslMode)),
        ("sslrootcert", config.SslRootCertificate),
        ("sslcert", config.SslCertificate),
        ("sslkey", config.SslKey),
        ("connect_timeout", (long)config.ConnectTimeout.TotalSeconds),
        ("receive_timeout", (long)config.ReceiveTimeout.TotalSeconds),
        ("parallel_jobs", config.Jobs),
        ("bandwidth_limit", config.BandwidthLimit),
        ("retention_policy", config.Retention.ToString()),
        ("wal_retention_policy", "MAIN"),
        ("minimum_redundancy", config.MinimumRedundancy),
        ("last_backup_maximum_age", config.BackupMaximumAge?.ToString()),
        ("last_backup_minimum_size", config.BackupMinimumSize),
        ("last_wal_maximum_age", config.WalMaximumAge?.ToString()),
        .. config.Hooks.Count == 0 ? (IEnumerable<(string, JsonNode?)>)[] : [("hook_timeout", (long)config.HookTimeout.TotalSeconds), .. config.Hooks.Select(static h => (h.Key, (JsonNode?)h.Value))],
    ];

    public static IEnumerable<(string Key, JsonNode? Value)> Places(Session session, ServerName server) =>
    [
        ("config_file", session.Locations.ConfigFile(server)),
        ("backup_directory", session.Locations.ServerDirectory(server)),
        ("receiver_log", session.Locations.ReceiverLog(server)),
        ("set_up", session.IsSetUp(server)),
    ];

    /// <summary>What the server says of itself, or why it cannot be asked; and its receiver.</summary>
    public static IEnumerable<(string Key, JsonNode? Value)> State(HealthFacts facts)
    {
        yield return ("systemid", facts.Known?.SystemId.ToString(CultureInfo.InvariantCulture));
        if (facts.Server is { } server)
        {
            yield return ("server_txt_version", server.Version);
            yield return ("postgres_systemid", server.SystemId.ToString(CultureInfo.InvariantCulture));
            yield return ("is_in_recovery", server.IsInRecovery);
            yield return ("wal_level", server.WalLevel);
            yield return ("current_size", server.DataSize);
            yield return ("data_directory", server.DataDirectory);
            yield return ("timeline", server.Timeline.Value);
            yield return ("current_lsn", server.Position.ToString());
            yield return ("current_xlog", facts.Known is { } known ? SegmentName.Containing(server.Timeline, server.Position, known.SegmentSize).ToString() : null);
            var slot = server.Slots.FirstOrDefault(s => s.Name == facts.Config.SlotName);
            yield return ("replication_slot", slot is null ? null : slot.IsLost ? "lost" : slot.IsActive ? "active" : "inactive");
            yield return ("retained_wal_bytes", slot?.RetainedBytes);
        }
        else
        {
            yield return ("connection_error", facts.ServerFailure?.Line);
        }
        yield return ("receive_wal", Receiver(facts));
    }

    /// <summary>How the receiver is, in a line.</summary>
    public static string Receiver(HealthFacts facts) =>
        ReceiverVerdict.WhatIsWrong(facts) ?? $"streaming timeline {facts.Receiver?.Timeline?.Value}, flushed up to {facts.Receiver?.Flushed}";

    public static JsonObject ToJson(IEnumerable<(string Key, JsonNode? Value)> rows)
    {
        var json = new JsonObject();
        foreach (var (key, value) in rows)
        {
            json[key] = value;
        }
        return json;
    }

    /// <summary>A value for people, as Barman shows it.</summary>
    public static string Text(JsonNode? value) => value?.GetValueKind() switch
    {
        null => "None",
        System.Text.Json.JsonValueKind.True => "True",
        System.Text.Json.JsonValueKind.False => "False",
        _ => value.ToString(),
    };

    static string Mode(SslMode mode) => mode switch
    {
        SslMode.VerifyCa => "verify-ca",
        SslMode.VerifyFull => "verify-full",
        _ => mode.ToString().ToLowerInvariant(),
    };
}
