using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Configuration;

namespace Barkeep.Cli.Shared;

/// <summary>A server's configuration in effect, key by key, with stars for secrets.</summary>
static class ServerReport
{
    public static IEnumerable<(string Key, string Value)> Configuration(ServerConfig config) =>
    [
        ("description", config.Description),
        ("host", config.Host),
        ("port", config.Port.ToString(CultureInfo.InvariantCulture)),
        ("dbname", config.Database),
        ("user_backup", config.BackupUser),
        ("pass_backup", config.BackupPassword.ToString()),
        ("user_stream", config.StreamingUser),
        ("pass_stream", config.StreamingPassword.ToString()),
        ("slot_name", config.SlotName),
        ("application_name", config.ApplicationName),
        ("sslmode", Mode(config.SslMode)),
        ("sslrootcert", config.SslRootCertificate ?? "None"),
        ("sslcert", config.SslCertificate ?? "None"),
        ("sslkey", config.SslKey ?? "None"),
        ("connect_timeout", config.ConnectTimeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)),
        ("receive_timeout", config.ReceiveTimeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)),
        ("parallel_jobs", config.Jobs.ToString(CultureInfo.InvariantCulture)),
        ("bandwidth_limit", config.BandwidthLimit.ToString(CultureInfo.InvariantCulture)),
        ("retention_policy", config.Retention.ToString()),
        ("wal_retention_policy", "MAIN"),
        ("minimum_redundancy", config.MinimumRedundancy.ToString(CultureInfo.InvariantCulture)),
        ("last_backup_maximum_age", config.BackupMaximumAge?.ToString() ?? "None"),
        ("last_backup_minimum_size", config.BackupMinimumSize?.ToString(CultureInfo.InvariantCulture) ?? "None"),
        ("last_wal_maximum_age", config.WalMaximumAge?.ToString() ?? "None"),
        .. config.Hooks.Count == 0 ? (IEnumerable<(string, string)>)[] : [("hook_timeout", config.HookTimeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)), .. config.Hooks.Select(static h => (h.Key, h.Value))],
    ];

    static string Mode(SslMode mode) => mode switch
    {
        SslMode.VerifyCa => "verify-ca",
        SslMode.VerifyFull => "verify-full",
        _ => mode.ToString().ToLowerInvariant(),
    };

    public static IEnumerable<(string Key, string Value)> Places(Session session, ServerName server) =>
    [
        ("config_file", session.Locations.ConfigFile(server)),
        ("backup_directory", session.Locations.ServerDirectory(server)),
        ("receiver_log", session.Locations.ReceiverLog(server)),
        ("set_up", session.IsSetUp(server) ? "True" : "False"),
    ];

    public static JsonObject ToJson(IEnumerable<(string Key, string Value)> rows)
    {
        var json = new JsonObject();
        foreach (var (key, value) in rows)
        {
            json[key] = value;
        }
        return json;
    }
}
