namespace Barkeep.Restores;

/// <summary>What PostgreSQL does once it has reached the target (recovery_target_action).</summary>
public enum TargetAction
{
    /// <summary>Waits, open for reading; pg_wal_replay_resume() then ends recovery. PostgreSQL's default.</summary>
    Pause,

    /// <summary>Ends recovery and opens on a new timeline.</summary>
    Promote,

    /// <summary>Stops the server.</summary>
    Shutdown,
}
