using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Verification;

/// <summary>What was looked at, and what is wrong with it.</summary>
public sealed record VerificationResult
{
    /// <summary>The backups that were verified.</summary>
    public required IReadOnlyList<BackupId> Backups { get; init; }

    /// <summary>Packs that were read, at least in part.</summary>
    public required int Packs { get; init; }

    /// <summary>Frames that were read, decompressed and compared.</summary>
    public required long Frames { get; init; }

    /// <summary>Pages whose hash was compared.</summary>
    public required long Pages { get; init; }

    /// <summary>Stored bytes of those frames.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>WAL segments that were walked, the tail's among them.</summary>
    public required int Segments { get; init; }

    /// <summary>Up to where the WAL is whole on the timeline that a restore chooses; invalid when none was looked at.</summary>
    public required Lsn WalEnd { get; init; }

    /// <summary>That timeline; 0 when none was looked at.</summary>
    public required uint Timeline { get; init; }

    public required IReadOnlyList<Damage> Damage { get; init; }

    /// <summary>What a person should know and is no damage: WAL that is known to be missing behind the backup.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    public bool IsSound => Damage.Count == 0;
}
