namespace Barkeep.Repo;

/// <summary>What durable facts say of a backup (docs/format.md, "A backup, in order").</summary>
public enum BackupState
{
    /// <summary>Begun, and neither finished nor failed: running if somebody holds the backup lock, else interrupted.</summary>
    Started,

    /// <summary>It has a manifest, but the WAL that it needs was not all here yet.</summary>
    WaitingForWals,

    /// <summary>It can be restored.</summary>
    Done,

    /// <summary>It ended without a manifest, or the WAL that was received is not the server's that it was taken from.</summary>
    Failed,

    /// <summary>Its records cannot be read: their bytes are not what was written. Never restored.</summary>
    Damaged,
}
