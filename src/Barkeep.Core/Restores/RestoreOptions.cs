using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;

namespace Barkeep.Restores;

/// <summary>What to restore, and whereto.</summary>
public sealed record RestoreOptions
{
    public required Locations Locations { get; init; }

    public required ServerName Server { get; init; }

    /// <summary>The directory that becomes the data directory: empty, or not there yet, or for a delta restore a copy of the cluster.</summary>
    public required string Target { get; init; }

    /// <summary>Whether a copy of the cluster that is in the target already is made what a restore into an empty directory would be, writing only what differs.</summary>
    public bool IsDelta { get; init; }

    /// <summary>Null for the newest usable one.</summary>
    public BackupId? Backup { get; init; }

    /// <summary>Whether the newest usable one is passed over where <see cref="Until"/> is not reached from it and is from an older one.</summary>
    public bool SuitsTarget { get; init; }

    public TimelineChoice Timeline { get; init; }

    /// <summary>Where recovery stops; null to replay everything that was received.</summary>
    public RecoveryTarget? Until { get; init; }

    /// <summary>What happens there; null for PostgreSQL's default, to pause.</summary>
    public TargetAction? Action { get; init; }

    /// <summary>Whether the restored cluster becomes a standby, which replays what comes.</summary>
    public bool IsStandby { get; init; }

    /// <summary>What the restored cluster gets its WAL by, as restore_command has it; null to put all that it needs into its pg_wal.</summary>
    public string? RestoreCommand { get; init; }

    /// <summary>Whether <see cref="RestoreCommand"/> reads this repository, on this machine and as the user that PostgreSQL runs as.</summary>
    public bool ReadsRepository { get; init; }

    /// <summary>Tablespaces by name, with the absolute path of the directory that each goes to; all others go inside the target.</summary>
    public IReadOnlyDictionary<string, string> Tablespaces { get; init; } = new Dictionary<string, string>();

    /// <summary>Whose the files shall be: <c>user</c>, <c>user:group</c>, names or numbers. Null chooses: see <see cref="OwnerChoice"/>.</summary>
    public string? Owner { get; init; }

    /// <summary>How many threads decode and write pages; null for as many as there are processors, at most 8.</summary>
    public int? Jobs { get; init; }

    /// <summary>How much of the repository is read in a second, in KiB; 0 is no limit.</summary>
    public int BandwidthLimit { get; init; }

    /// <summary>Is told what will be done, before the first byte is written.</summary>
    public Action<RestorePlan>? OnPlanned { get; init; }

    /// <summary>Makes less of what is restored, before it is looked at; for an export, which needs but the small files.</summary>
    internal Func<RestoreSource, RestoreSource>? Narrow { get; init; }
}
