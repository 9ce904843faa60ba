namespace Barkeep.Wal;

/// <summary>A fork of a relation by the numbers that name its files (relfilelocator.h), as WAL records name it.</summary>
/// <param name="Tablespace">1663 for <c>base</c>, 1664 for <c>global</c>, else the name in <c>pg_tblspc</c>.</param>
/// <param name="Database">0 in <c>global</c>.</param>
/// <param name="Relation">The file number.</param>
public readonly record struct RelationFork(uint Tablespace, uint Database, uint Relation, ForkNumber Fork) : IComparable<RelationFork>
{
    public int CompareTo(RelationFork other) =>
        (Tablespace, Database, Relation, (byte)Fork).CompareTo((other.Tablespace, other.Database, other.Relation, (byte)other.Fork));

    // Spelled out: the generated one asks a comparer for each field, and this runs for every block reference.
    public bool Equals(RelationFork other) =>
        Relation == other.Relation && Fork == other.Fork && Database == other.Database && Tablespace == other.Tablespace;

    public override int GetHashCode() => (int)(((((Tablespace * 31) + Database) * 31) + Relation) * 4) + (int)Fork;

    /// <summary>As pg_waldump writes it: <c>1663/5/16384 vm</c>, the main fork without a word.</summary>
    public override string ToString() => $"{Tablespace}/{Database}/{Relation}" + Fork switch
    {
        ForkNumber.Main => "",
        ForkNumber.FreeSpaceMap => " fsm",
        ForkNumber.VisibilityMap => " vm",
        _ => " init",
    };

    public static bool operator <(RelationFork a, RelationFork b) => a.CompareTo(b) < 0;
    public static bool operator >(RelationFork a, RelationFork b) => a.CompareTo(b) > 0;
    public static bool operator <=(RelationFork a, RelationFork b) => a.CompareTo(b) <= 0;
    public static bool operator >=(RelationFork a, RelationFork b) => a.CompareTo(b) >= 0;
}
