namespace Barkeep.Recovery;

/// <summary>What says where recovery stops (PostgreSQL manual, "Recovery Target").</summary>
public enum RecoveryTargetKind
{
    /// <summary>As soon as the cluster is consistent: at the backup's end.</summary>
    Immediate,

    /// <summary>At the first transaction that ended after a time.</summary>
    Time,

    /// <summary>At the end of a transaction.</summary>
    Xid,

    /// <summary>At a position in the WAL.</summary>
    Lsn,

    /// <summary>At a restore point that pg_create_restore_point() made.</summary>
    Name,
}
