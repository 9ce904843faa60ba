namespace Barkeep.Configuration;

/// <summary>How to reach and back up one server: the JSON file, the overrides remembered at setup, and the environment, in that order.</summary>
public sealed record ServerConfig
{
    public required ServerName Name { get; init; }

    /// <summary>For people; the name when nothing is configured.</summary>
    public required string Description { get; init; }

    /// <summary>A host name, an address, or, beginning with <c>/</c>, the directory of a Unix socket.</summary>
    public required string Host { get; init; }

    public required int Port { get; init; }

    /// <summary>The database that the backup role connects to.</summary>
    public required string Database { get; init; }

    public required string BackupUser { get; init; }

    public required Secret BackupPassword { get; init; }

    public required string StreamingUser { get; init; }

    public required Secret StreamingPassword { get; init; }

    public required string SlotName { get; init; }

    /// <summary>What synchronous_standby_names calls the receiver.</summary>
    public required string ApplicationName { get; init; }

    public required SslMode SslMode { get; init; }

    /// <summary>A PEM file of the certificates that may sign the server's; null for the system's.</summary>
    public string? SslRootCertificate { get; init; }

    /// <summary>The client certificate, PEM.</summary>
    public string? SslCertificate { get; init; }

    /// <summary>The client certificate's key, PEM.</summary>
    public string? SslKey { get; init; }

    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary>Silence after which the receiver takes a connection for dead.</summary>
    public required TimeSpan ReceiveTimeout { get; init; }

    /// <summary>Readers of a backup, unless the command says otherwise.</summary>
    public required int Jobs { get; init; }

    /// <summary>Kilobytes a second that a backup may read; 0 is no limit.</summary>
    public required int BandwidthLimit { get; init; }

    /// <summary>Which backups cron lets go.</summary>
    public RetentionPolicy Retention { get; init; } = RetentionPolicy.None;

    /// <summary>Backups that neither cron nor delete goes below.</summary>
    public int MinimumRedundancy { get; init; }

    /// <summary>The age at which check calls the newest backup too old; null for never.</summary>
    public AgeLimit? BackupMaximumAge { get; init; }

    /// <summary>Bytes of the cluster below which check calls the newest backup too small; null for never.</summary>
    public long? BackupMinimumSize { get; init; }

    /// <summary>The age at which check calls the newest WAL too old; null for never.</summary>
    public AgeLimit? WalMaximumAge { get; init; }

    /// <summary>Shell commands that are run before and after something happens, by their key: see <see cref="HookKeys"/>.</summary>
    public IReadOnlyDictionary<string, string> Hooks { get; init; } = new Dictionary<string, string>();

    /// <summary>How long one of them may take before it is killed.</summary>
    public TimeSpan HookTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How the slots that installations of Barkeep choose for a server begin; an installation's id follows.</summary>
    public static string SlotPrefix(ServerName server) =>
        $"barkeep_{string.Concat(server.ToString().Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_'))}_";
}
