namespace Barkeep.Wal;

/// <summary>What kind of thing ended a walk over WAL.</summary>
public enum WalDefectKind
{
    /// <summary>Zeros where a page or a record would begin: nothing has been written here. In a segment that should be complete this is damage.</summary>
    EndOfWal,

    /// <summary>A page header that is not this position's: damage, or the old content of a recycled segment.</summary>
    Page,

    /// <summary>A record whose length, link or CRC is wrong: damage, or the old content of a recycled segment.</summary>
    Record,

    /// <summary>The WAL is of another cluster.</summary>
    WrongSystem,

    /// <summary>The WAL is of a timeline other than the expected one.</summary>
    WrongTimeline,

    /// <summary>The WAL is of a PostgreSQL version or build that is not supported.</summary>
    Unsupported,
}
