namespace Barkeep.Restores;

/// <summary>What a restore is doing.</summary>
public enum RestoreStep
{
    /// <summary>Reading the WAL that is not put in place, but that the restored server will ask for.</summary>
    Checking,

    /// <summary>Comparing the files that are in the target with the backup's.</summary>
    Comparing,

    /// <summary>Putting WAL in place.</summary>
    Wal,

    ArchiveStatus,

    DataFiles,

    /// <summary>Making harmless what a copy of a server must not do.</summary>
    Settings,

    /// <summary>Writing how recovery goes, and where it stops.</summary>
    Configuration,

    Flushing,
}
