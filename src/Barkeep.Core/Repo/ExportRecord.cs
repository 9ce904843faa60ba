namespace Barkeep.Repo;

/// <summary>What the first member of an exported backup says of the others (docs/format.md, "Exports"). Names and types are persisted: add, never change.</summary>
public sealed record ExportRecord
{
    public required string SystemId { get; init; }

    public required int MajorVersion { get; init; }

    public required int SegmentSize { get; init; }

    public required string Server { get; init; }

    public required string BackupId { get; init; }

    public required string Program { get; init; }

    public required DateTimeOffset ExportedAt { get; init; }

    /// <summary>Bytes of the manifest that follows.</summary>
    public required int ManifestLength { get; init; }

    /// <summary>The directory with the backup's own content of files that a restore changes.</summary>
    public required string Originals { get; init; }

    /// <summary>The directory in which tablespaces are.</summary>
    public required string Tablespaces { get; init; }

    /// <summary>The paths of those files.</summary>
    public required IReadOnlyList<string> Changed { get; init; }

    /// <summary>The paths of files that a restore makes and the backup does not have, but for WAL and histories.</summary>
    public required IReadOnlyList<string> Made { get; init; }

    public required IReadOnlyList<ExportedWal> Wal { get; init; }

    public required IReadOnlyList<ExportedHistory> Histories { get; init; }
}
