using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>How far a backup is. Reported at each step and several times a second while files are copied.</summary>
public sealed record BackupProgress
{
    public required BackupStep Step { get; init; }

    /// <summary>Null before the backup has an id.</summary>
    public BackupId? Id { get; init; }

    /// <summary>Where the backup begins, once it does.</summary>
    public Lsn BeginLsn { get; init; }

    /// <summary>Where it ends, once it has.</summary>
    public Lsn EndLsn { get; init; }

    public long BytesDone { get; init; }

    /// <summary>Bytes that are to be read; 0 before that is known.</summary>
    public long BytesTotal { get; init; }

    /// <summary>Bytes of all files as listed; 0 before that.</summary>
    public long ClusterLength { get; init; }

    /// <summary>The backup since which what has changed is read; null when everything is, and before that is known.</summary>
    public BackupId? Since { get; init; }

    /// <summary>Why everything is read, in a line; null when it is not, and before that is known.</summary>
    public string? WhyEverything { get; init; }

    public int FilesTotal { get; init; }

    /// <summary>Mean rate since the copying began.</summary>
    public double BytesPerSecond { get; init; }

    /// <summary>The segment that is waited for.</summary>
    public SegmentName? Awaited { get; init; }
}
