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
