using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>What a collection did.</summary>
public sealed class CollectionResult
{
    internal List<StoredPack> RemovedPacks { get; } = [];

    internal List<StoredPack> RewrittenPacks { get; } = [];

    internal List<StoredSegment> RemovedSegments { get; } = [];

    internal List<BackupId> RemovedBackups { get; } = [];

    internal List<(BackupId Id, string Reason)> RefusedBackups { get; } = [];

    internal List<string> Problems { get; } = [];

    /// <summary>Backups that were to go and are gone.</summary>
    public IReadOnlyList<BackupId> Backups => RemovedBackups;

    /// <summary>Backups that were to go and stay, and why, as it follows "Skipping delete of backup …".</summary>
    public IReadOnlyList<(BackupId Id, string Reason)> Refused => RefusedBackups;

    /// <summary>Packs that are gone.</summary>
    public IReadOnlyList<StoredPack> Removed => RemovedPacks;

    /// <summary>Packs that were written anew, as they are now.</summary>
    public IReadOnlyList<StoredPack> Rewritten => RewrittenPacks;

    public IReadOnlyList<StoredSegment> Segments => RemovedSegments;

    /// <summary>What is wrong in the repository, and was left as it is.</summary>
    public IReadOnlyList<string> Findings => Problems;

    /// <summary>Why something, or all, has been left for the next collection; null when nothing kept it.</summary>
    public CollectionHold? Hold { get; internal set; }

    /// <summary>Whether nothing is left to do: neither held nor out of budget.</summary>
    public bool IsFinished { get; internal set; } = true;

    /// <summary>Whether WAL stays that the next backup may make garbage of.</summary>
    internal bool AwaitsBackup { get; set; }

    /// <summary>Bytes that the repository has given back.</summary>
    public long FreedLength { get; internal set; }
}
