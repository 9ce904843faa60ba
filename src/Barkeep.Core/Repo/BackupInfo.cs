using System.Text.Json.Serialization;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>
/// A backup's properties, the head of its manifest (docs/format.md). Small, so that listing a thousand backups stays cheap.
/// Names and types are persisted: add, never change.
/// </summary>
public sealed record BackupInfo
{
    public required string BackupId { get; init; }

    /// <summary>The name the user gave with <c>--name</c>.</summary>
    public string? Name { get; init; }

    public required string Server { get; init; }

    public required string SystemId { get; init; }

    /// <summary>server_version_num: 150018.</summary>
    public required int ServerVersion { get; init; }

    /// <summary>The data directory on the server.</summary>
    public required string DataDirectory { get; init; }

    public required int SegmentSize { get; init; }

    /// <summary>Blocks in a relation segment file (1 GiB of them unless PostgreSQL was built otherwise).</summary>
    public required int RelationSegmentBlocks { get; init; }

    /// <summary>The timeline at the backup's begin, and since a backup does not cross timelines, at its end.</summary>
    public required uint Timeline { get; init; }

    /// <summary>Where replay starts: backup_label's START WAL LOCATION.</summary>
    [JsonPropertyName("beginLsn")]
    public required string BeginLsnText { get; init; }

    /// <summary>Where the cluster is consistent: what pg_backup_stop returned.</summary>
    [JsonPropertyName("endLsn")]
    public required string EndLsnText { get; init; }

    /// <summary>The record of the checkpoint that it began with: backup_label's CHECKPOINT LOCATION. Null in backups of older versions.</summary>
    [JsonPropertyName("checkpointLsn")]
    public string? CheckpointLsnText { get; init; }

    /// <summary>When the server made that checkpoint, to the second; null when it had made another by the time it was asked.</summary>
    public DateTimeOffset? CheckpointTime { get; init; }

    /// <summary>Whether it was taken from a standby, whose WAL has no record of its end.</summary>
    public bool FromStandby { get; init; }

    public required DateTimeOffset BeginTime { get; init; }

    public required DateTimeOffset EndTime { get; init; }

    /// <summary>
    /// The server's clock once it had begun the backup: what ended later is in the WAL from the begin on. Null in backups of older versions; their <see cref="BeginTime"/> is
    /// this machine's, from before the checkpoint.
    /// </summary>
    public DateTimeOffset? BegunAt { get; init; }

    /// <summary>Seconds spent between the first and the last byte read.</summary>
    public required double CopySeconds { get; init; }

    public required int Jobs { get; init; }

    /// <summary>Whether the cluster has data checksums, and so whether its pages were checked.</summary>
    public required bool DataChecksums { get; init; }

    /// <summary>Directories 0750 and files 0640 instead of 0700 and 0600 (initdb --allow-group-access).</summary>
    public required bool GroupAccess { get; init; }

    /// <summary>Bytes of all files in the backup.</summary>
    public required long ClusterSize { get; init; }

    /// <summary>Bytes read from the server for it.</summary>
    public required long ReadBytes { get; init; }

    /// <summary>Bytes that this backup added to the repository, without WAL.</summary>
    public required long StoredBytes { get; init; }

    public required int FileCount { get; init; }

    /// <summary>The backup whose pages this one shares, if it read only what has changed since; for people, not for restores.</summary>
    public string? Parent { get; init; }

    /// <summary>Why everything was read, in a line for people; null for an incremental backup, and for one that an older version took.</summary>
    public string? WhyEverything { get; init; }

    public required IReadOnlyList<BackupTablespace> Tablespaces { get; init; }

    /// <summary>Pages whose checksum does not match, at most 1,000 of them.</summary>
    public IReadOnlyList<DamagedPage> DamagedPages { get; init; } = [];

    /// <summary>How many pages had a bad checksum in all.</summary>
    public long DamagedPageCount { get; init; }

    /// <summary>The server's settings that are not defaults, by name, as pg_settings shows them; for a restore without the original configuration files.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Configuration files outside the data directory that the role was not allowed to read.</summary>
    public IReadOnlyList<string> UnreadConfigFiles { get; init; } = [];

    /// <summary>The version of Barkeep that took it.</summary>
    public required string Program { get; init; }

    /// <summary>What cannot be true of any backup, whatever its hash says; null when nothing is wrong.</summary>
    [JsonIgnore]
    internal string? Contradiction => this switch
    {
        _ when !Common.BackupId.TryParse(BackupId, out _) => $"its id is '{BackupId}'",
        _ when !Lsn.TryParse(BeginLsnText, out var begin) || !Lsn.TryParse(EndLsnText, out var end) || begin >= end => $"it ranges from '{BeginLsnText}' to '{EndLsnText}'",
        _ when CheckpointLsnText is not null && !Lsn.TryParse(CheckpointLsnText, out _) => $"its checkpoint is at '{CheckpointLsnText}'",
        _ when !Wal.SegmentSize.TryFrom(SegmentSize, out _) => $"it claims WAL segments of {SegmentSize} bytes",
        _ when Timeline == 0 => "it is on timeline 0",
        _ when RelationSegmentBlocks < 1 => $"it claims {RelationSegmentBlocks} blocks a file",
        _ when Server is null || DataDirectory is null || Tablespaces is null || Settings is null || DamagedPages is null || UnreadConfigFiles is null => "a property is null",
        _ when Tablespaces.Any(static t => t?.Name is null || t.Location is null) => "a tablespace has no name or location",
        _ => null,
    };

    [JsonIgnore]
    public BackupId Id => Common.BackupId.Parse(BackupId);

    /// <summary>The major version of PostgreSQL: 15.</summary>
    [JsonIgnore]
    public int MajorVersion => ServerVersion / 10_000;

    [JsonIgnore]
    public TimelineId TimelineId => new(Timeline);

    [JsonIgnore]
    public SegmentSize WalSegmentSize => new(SegmentSize);

    [JsonIgnore]
    public Lsn BeginLsn => Lsn.Parse(BeginLsnText);

    [JsonIgnore]
    public Lsn EndLsn => Lsn.Parse(EndLsnText);

    /// <summary>The checkpoint that it began with; null in backups of older versions.</summary>
    [JsonIgnore]
    public CheckpointMark? Checkpoint => CheckpointLsnText is null ? null : new(Lsn.Parse(CheckpointLsnText), BeginLsn, CheckpointTime);

    /// <summary>The segment in which the backup begins.</summary>
    [JsonIgnore]
    public SegmentName FirstSegment => SegmentName.Containing(TimelineId, BeginLsn, WalSegmentSize);

    /// <summary>The segment that holds the last byte before the backup's end.</summary>
    [JsonIgnore]
    public SegmentName LastSegment => SegmentName.Containing(TimelineId, new(EndLsn.Value - 1), WalSegmentSize);

    /// <summary>How many segments the backup's own WAL takes, from the first to the last.</summary>
    [JsonIgnore]
    public long SegmentCount => (long)(LastSegment.Number(WalSegmentSize) - FirstSegment.Number(WalSegmentSize)) + 1;

    /// <summary>Bytes read a second; 0 when that took no time.</summary>
    [JsonIgnore]
    public long Throughput => CopySeconds > 0 ? (long)(ReadBytes / CopySeconds) : 0;
}
