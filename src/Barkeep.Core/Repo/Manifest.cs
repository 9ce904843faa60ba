namespace Barkeep.Repo;

/// <summary>The whole of one backup, as read and checked.</summary>
public sealed record Manifest
{
    public required BackupInfo Info { get; init; }

    /// <summary>The packs that runs refer to, by their index.</summary>
    public required IReadOnlyList<string> Packs { get; init; }

    /// <summary>In the order of their paths; a directory precedes what is in it.</summary>
    public required IReadOnlyList<ManifestEntry> Entries { get; init; }

    /// <summary>The hash that its object ends with: no other manifest has it, of whatever repository. Null while there is no object.</summary>
    public UInt128? Hash { get; init; }
}
