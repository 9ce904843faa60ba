namespace Barkeep.Backups;

/// <summary>What a backup is doing.</summary>
public enum BackupStep
{
    /// <summary>Connecting, checking privileges, clearing what an interrupted backup left.</summary>
    Preparing,

    /// <summary>The server makes a checkpoint.</summary>
    Starting,

    Listing,

    /// <summary>The WAL that tells what has changed has not all been received yet.</summary>
    WaitingForChanges,

    Copying,

    /// <summary>Ending the backup on the server, writing the manifest.</summary>
    Finishing,

    /// <summary>The backup exists; the WAL that it needs is not all in the repository yet.</summary>
    WaitingForWal,
}
