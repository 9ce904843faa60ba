namespace Barkeep.Repo;

/// <summary>Which objects of a backup there are (docs/format.md, "A backup, in order").</summary>
[Flags]
public enum BackupParts
{
    None = 0,

    /// <summary>It has begun and owns its id.</summary>
    Started = 1,

    /// <summary>It exists.</summary>
    Manifest = 2,

    /// <summary>Its WAL was seen to be here, and to be its server's.</summary>
    Complete = 4,

    /// <summary>It ended without a manifest, or cannot be restored with the WAL that was received.</summary>
    Failed = 8,

    /// <summary>It is kept, with all WAL from it on.</summary>
    KeptFull = 16,

    /// <summary>It is kept, with the WAL that makes it consistent.</summary>
    KeptStandalone = 32,
}
