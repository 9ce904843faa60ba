namespace Barkeep.Wal;

/// <summary>How the content of a relation or a database came to an end. The numbers are stored.</summary>
public enum LossKind : byte
{
    /// <summary>A transaction has dropped its file and, as far as is known, made no other: DROP.</summary>
    Dropped = 1,

    /// <summary>A transaction that made files too has dropped its file: TRUNCATE, a rewrite (VACUUM FULL, CLUSTER, ALTER TABLE, REINDEX, REFRESH), or a drop beside them.</summary>
    Replaced = 2,

    /// <summary>Its file was cut off at a block: by VACUUM, or by TRUNCATE of a table that is as new.</summary>
    CutOff = 3,

    /// <summary>TRUNCATE, by the number of the relation itself, not of its file; told only by a server with wal_level = logical.</summary>
    Truncated = 4,

    /// <summary>A database's directory was removed: DROP DATABASE.</summary>
    DatabaseDropped = 5,

    /// <summary>A database's directory was removed after a copy of it was made: ALTER DATABASE SET TABLESPACE.</summary>
    DatabaseMoved = 6,
}
