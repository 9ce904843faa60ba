namespace Barkeep.Backups;

/// <summary>How a backup is to be taken.</summary>
public sealed record BackupOptions
{
    /// <summary>Connections that read files at the same time.</summary>
    public required int Jobs { get; init; }

    /// <summary>Kilobytes (1024 bytes) a second over all readers; 0 is no limit.</summary>
    public int BandwidthLimit { get; init; }

    /// <summary>A checkpoint at once instead of one spread over checkpoint_completion_target.</summary>
    public bool FastCheckpoint { get; init; } = true;

    /// <summary>Read everything, whatever is known to have changed.</summary>
    public bool Full { get; init; }

    /// <summary>A name for people.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// How long to wait for the WAL that the backup needs. When it does not arrive in time, the backup stays
    /// WAITING_FOR_WALS, until a completion check finds it.
    /// </summary>
    public TimeSpan WalTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Whether to wait as long even though no receiver runs; otherwise that is only said.</summary>
    public bool WaitWithoutReceiver { get; init; }
}
