namespace Barkeep.Wal;

/// <summary>What a file is that PostgreSQL archives or asks back (xlog_internal.h).</summary>
public enum WalFileKind
{
    /// <summary>A complete segment.</summary>
    Segment,

    /// <summary>The segment in which a timeline ended: <c>….partial</c>.</summary>
    Partial,

    /// <summary>A timeline history file: <c>00000002.history</c>.</summary>
    History,

    /// <summary>What a finished base backup tells of itself: <c>….00000028.backup</c>.</summary>
    BackupHistory,
}
