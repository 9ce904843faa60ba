using System.Globalization;

namespace Barkeep.Configuration;

/// <summary>One key that a server's JSON file and its variables may set.</summary>
/// <param name="Name">As in JSON; in a variable in capitals.</param>
/// <param name="Default">What holds when nothing sets it; null when it is derived or absent.</param>
/// <param name="IsSecret">Never printed.</param>
public sealed record ConfigKey(string Name, string? Default, bool IsSecret = false)
{
    /// <summary>All of them; the first eight are those that montagu.json has always had.</summary>
    public static readonly IReadOnlyList<ConfigKey> All =
    [
        new("host", "db"),
        new("port", "5432"),
        new("dbname", "montagu"),
        new("user_backup", "barman"),
        new("pass_backup", "", IsSecret: true),
        new("user_stream", "streaming_barman"),
        new("pass_stream", "", IsSecret: true),
        new("slot_name", null),
        new("description", null),
        new("application_name", "barman_receive_wal"),
        new("sslmode", "prefer"),
        new("sslrootcert", null),
        new("sslcert", null),
        new("sslkey", null),
        new("connect_timeout", "10"),
        new("receive_timeout", "60"),
        // While one reader waits for its server process, another compresses (bench/RESULTS.md); the primary shall not notice.
        new("parallel_jobs", Math.Min(Environment.ProcessorCount + 1, 4).ToString(CultureInfo.InvariantCulture)),
        new("bandwidth_limit", "0"),
        new("retention_policy", "RECOVERY WINDOW OF 3 MONTHS"),
        new("wal_retention_policy", "MAIN"),
        new("minimum_redundancy", "0"),
        new("last_backup_maximum_age", null),
        new("last_backup_minimum_size", null),
        new("last_wal_maximum_age", null),
        new("hook_timeout", "3600"),
        .. HookKeys.All.Select(static k => new ConfigKey(k, null)),
    ];

    public static ConfigKey? Find(string name) => All.FirstOrDefault(k => k.Name == name);

    /// <summary>The names, for the message about one that is not among them.</summary>
    public static string Names => string.Join(", ", All.Select(static k => k.Name));
}
