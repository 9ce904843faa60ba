using System.Globalization;
using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>Turns a server's texts into values, or says which text is wrong.</summary>
sealed class ConfigValues(ServerName server, IReadOnlyDictionary<string, string> values)
{
    public ServerConfig ToServerConfig(Installation? installation) => new()
    {
        Name = server,
        Description = Optional("description") ?? server.ToString(),
        Host = Required("host"),
        Port = Number("port", 1, 65535),
        Database = Required("dbname"),
        BackupUser = Required("user_backup"),
        BackupPassword = new(Text("pass_backup") ?? ""),
        StreamingUser = Required("user_stream"),
        StreamingPassword = new(Text("pass_stream") ?? ""),
        SlotName = Slot(installation),
        ApplicationName = Required("application_name"),
        SslMode = Mode(),
        SslRootCertificate = Optional("sslrootcert"),
        SslCertificate = Optional("sslcert"),
        SslKey = Optional("sslkey"),
        ConnectTimeout = TimeSpan.FromSeconds(Number("connect_timeout", 1, 3600)),
        ReceiveTimeout = TimeSpan.FromSeconds(Number("receive_timeout", 1, 86400)),
        Jobs = Number("parallel_jobs", 1, 64),
        BandwidthLimit = Number("bandwidth_limit", 0, int.MaxValue),
        Retention = Retention(),
        MinimumRedundancy = Number("minimum_redundancy", 0, 99_999),
        BackupMaximumAge = Age("last_backup_maximum_age"),
        BackupMinimumSize = Size("last_backup_minimum_size"),
        WalMaximumAge = Age("last_wal_maximum_age"),
        Hooks = HookKeys.All.Where(k => Optional(k) is not null).ToDictionary(static k => k, k => Optional(k)!),
        HookTimeout = TimeSpan.FromSeconds(Number("hook_timeout", 1, 86400 * 7)),
    };

    string? Text(string key) => values.TryGetValue(key, out var value) ? value : ConfigKey.Find(key)!.Default;

    string? Optional(string key) => Text(key) is { Length: > 0 } value ? value : null;

    string Required(string key) => Optional(key) ?? throw Bad(key, "is empty");

    int Number(string key, int min, int max) =>
        int.TryParse(Required(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Bad(key, $"is '{Text(key)}', not a whole number from {min} to {max}");

    SslMode Mode() => Required("sslmode") switch
    {
        "disable" => SslMode.Disable,
        "allow" or "prefer" => SslMode.Prefer,
        "require" => SslMode.Require,
        "verify-ca" => SslMode.VerifyCa,
        "verify-full" => SslMode.VerifyFull,
        var other => throw Bad("sslmode", $"is '{other}', not one of disable, allow, prefer, require, verify-ca, verify-full"),
    };

    RetentionPolicy Retention()
    {
        // Barman knows no other policy for WAL than that of the backups.
        if (Optional("wal_retention_policy") is { } wal && !wal.AsSpan().Trim().Equals("MAIN", StringComparison.OrdinalIgnoreCase))
        {
            throw Bad("wal_retention_policy", $"is '{wal}': WAL is kept as long as a backup needs it, which is MAIN");
        }
        return RetentionPolicy.TryParse(Text("retention_policy") ?? "", out var policy)
            ? policy
            : throw Bad("retention_policy", $"is '{Text("retention_policy")}', not REDUNDANCY n, RECOVERY WINDOW OF n DAYS, WEEKS or MONTHS, KEEP n HOURLY n DAILY n WEEKLY n MONTHLY, or none");
    }

    AgeLimit? Age(string key) => Optional(key) switch
    {
        null => null,
        { } text when AgeLimit.TryParse(text, out var age) => age,
        { } text => throw Bad(key, $"is '{text}', not a number of MINUTES, HOURS, DAYS, WEEKS or MONTHS"),
    };

    // As Barman takes it: powers of 1000 in k, M, G, T, of 1024 in Ki, Mi, Gi, Ti.
    long? Size(string key)
    {
        if (Optional(key) is not { } text)
        {
            return null;
        }
        var trimmed = text.Trim();
        var digits = trimmed.TrimEnd([.. "kKMGTi "]);
        var unit = trimmed[digits.Length..].Trim();
        var factor = unit switch
        {
            "" => 1L,
            "k" => 1000L,
            "Ki" => 1L << 10,
            "M" => 1000L * 1000,
            "Mi" => 1L << 20,
            "G" => 1000L * 1000 * 1000,
            "Gi" => 1L << 30,
            "T" => 1000L * 1000 * 1000 * 1000,
            "Ti" => 1L << 40,
            _ => 0,
        };
        return factor > 0 && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number * factor
            : throw Bad(key, $"is '{text}', not a number of bytes, or of k, Ki, M, Mi, G, Gi, T, Ti");
    }

    // The server's name and this installation's id: two installations that back up one server must not share a slot,
    // since each would lose the WAL that the other has acknowledged.
    string Slot(Installation? installation)
    {
        if (Optional("slot_name") is { } configured)
        {
            return configured.Length <= 63 && configured.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_')
                ? configured
                : throw Bad("slot_name", $"is '{configured}': PostgreSQL allows a-z, 0-9 and _, at most 63");
        }
        return ServerConfig.SlotPrefix(server) + (installation?.Id ?? "new");
    }

    BarkeepException Bad(string key, string how) =>
        new(ErrorKind.Configuration, $"server {server}: {key} {how}", $"set it in {server}.json or {server.VariablePrefix}{key.ToUpperInvariant()}");
}
