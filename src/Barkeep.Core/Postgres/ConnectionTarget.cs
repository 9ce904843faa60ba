using Barkeep.Configuration;

namespace Barkeep.Postgres;

/// <summary>Which server to connect to, as whom, and how protected.</summary>
public sealed record ConnectionTarget
{
    /// <summary>A name, an address, or a directory that holds the server's unix socket (starts with <c>/</c>).</summary>
    public required string Host { get; init; }

    public int Port { get; init; } = 5432;

    public required string User { get; init; }

    /// <summary>The database for SQL; replication connections have none.</summary>
    public string Database { get; init; } = "postgres";

    public Secret Password { get; init; } = Secret.None;

    /// <summary>What the server shows in pg_stat_replication and compares with synchronous_standby_names.</summary>
    public string ApplicationName { get; init; } = "barkeep";

    public SslMode SslMode { get; init; } = SslMode.Prefer;

    /// <summary>A PEM file of root certificates; null for the machine's own.</summary>
    public string? SslRootCertificate { get; init; }

    /// <summary>A PEM file: our certificate, then any intermediate ones.</summary>
    public string? SslCertificate { get; init; }

    /// <summary>A PEM file: our certificate's key, unencrypted.</summary>
    public string? SslKey { get; init; }

    /// <summary>How long connecting and authenticating may take together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long the answer to one command may take.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(60);

    internal bool IsUnixSocket => Host.StartsWith('/');

    /// <summary>The streaming role's connection to a configured server.</summary>
    public static ConnectionTarget ForStreaming(ServerConfig config) => Of(config, config.StreamingUser, config.StreamingPassword);

    /// <summary>The backup role's connection to a configured server.</summary>
    public static ConnectionTarget ForBackup(ServerConfig config) => Of(config, config.BackupUser, config.BackupPassword);

    static ConnectionTarget Of(ServerConfig config, string user, Secret password) => new()
    {
        Host = config.Host,
        Port = config.Port,
        User = user,
        Database = config.Database,
        Password = password,
        ApplicationName = config.ApplicationName,
        SslMode = config.SslMode,
        SslRootCertificate = config.SslRootCertificate,
        SslCertificate = config.SslCertificate,
        SslKey = config.SslKey,
        ConnectTimeout = config.ConnectTimeout,
    };

    /// <summary>Where and as whom, for messages.</summary>
    public override string ToString() => IsUnixSocket ? $"{User}@{Host}/.s.PGSQL.{Port}" : $"{User}@{Host}:{Port}";
}
