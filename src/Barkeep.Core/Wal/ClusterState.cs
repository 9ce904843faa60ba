namespace Barkeep.Wal;

/// <summary>What a cluster was doing when its server last wrote pg_control (pg_control.h, DBState).</summary>
public enum ClusterState
{
    StartingUp = 0,
    ShutDown = 1,
    ShutDownInRecovery = 2,
    ShuttingDown = 3,
    InCrashRecovery = 4,
    InArchiveRecovery = 5,
    InProduction = 6,
}
