using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Health;

/// <summary>All that a check of one server looks at.</summary>
public sealed record HealthFacts
{
    public required ServerConfig Config { get; init; }

    public required DateTimeOffset Now { get; init; }

    /// <summary>Null when the server could not be asked: <see cref="ServerFailure"/> says why.</summary>
    public ServerObservation? Server { get; init; }

    public BarkeepException? ServerFailure { get; init; }

    /// <summary>Why the streaming role cannot connect; null when it can, or does.</summary>
    public BarkeepException? StreamingFailure { get; init; }

    /// <summary>Why the repository cannot be read or written.</summary>
    public BarkeepException? RepositoryFailure { get; init; }

    /// <summary>The cluster in the repository; null before the first setup.</summary>
    public ClusterIdentity? Known { get; init; }

    /// <summary>Whether a receiver holds its lock.</summary>
    public bool ReceiverRuns { get; init; }

    public ReceiverState? Receiver { get; init; }

    /// <summary>Whether a backup holds its lock.</summary>
    public bool BackupRuns { get; init; }

    /// <summary>Backups of the present cluster, oldest first.</summary>
    public IReadOnlyList<BackupRecord> Backups { get; init; } = [];

    /// <summary>How far those can be rolled forward; null when that cannot be seen.</summary>
    public WalCoverage? Coverage { get; init; }

    /// <summary>What keeps collection from removing anything until somebody acts; null for nothing.</summary>
    public string? CollectionDamage { get; init; }

    /// <summary>WAL files that were refused, and kept apart.</summary>
    public IReadOnlyList<WalConflict> Conflicts { get; init; } = [];

    /// <summary>Packs that were found to be damaged, as manifests name them.</summary>
    public IReadOnlySet<string> DamagedPacks { get; init; } = new HashSet<string>();

    /// <summary>Backups that need pages that are known to be damaged.</summary>
    public IReadOnlySet<BackupId> HurtBackups { get; init; } = new HashSet<BackupId>();

    /// <summary>How many there are that can be restored, as far as is known.</summary>
    public int Redundancy => Backups.Count(b => b.State == BackupState.Done && !HurtBackups.Contains(b.Id));

    /// <summary>Stored bytes of its WAL.</summary>
    public long WalBytes { get; init; }

    /// <summary>The newest backup that has a manifest.</summary>
    public BackupRecord? Newest => Backups.LastOrDefault(static b => b.State is BackupState.Done or BackupState.WaitingForWals);
}
