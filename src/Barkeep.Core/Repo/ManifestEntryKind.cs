namespace Barkeep.Repo;

/// <summary>What a manifest's entry is. Persisted: a number never changes its meaning.</summary>
public enum ManifestEntryKind : byte
{
    Directory = 1,

    /// <summary>A file whose pages are in packs.</summary>
    File = 2,

    /// <summary>A small file whose bytes are in the manifest.</summary>
    Inline = 3,

    /// <summary>A configuration file outside the data directory: its path is absolute, its bytes are in the manifest.</summary>
    External = 4,
}
