namespace Barkeep.Wal;

/// <summary>The first record of a segment that ends the content of a relation, or of a database, in one way.</summary>
/// <param name="Position">Where the record begins: <c>recovery_target_lsn</c> of this, exclusive, stops before it.</param>
/// <param name="Time">When its transaction was committed; of other records, the time of the transaction's end before it in the segment. Null where there is none.</param>
/// <param name="Xid">The transaction; 0 for none, as VACUUM's.</param>
/// <param name="Tablespace">0 where the record does not name it.</param>
/// <param name="Relation">The file number; of <see cref="LossKind.Truncated"/> the relation's own; 0 for a database.</param>
/// <param name="Block">Of <see cref="LossKind.CutOff"/>: the blocks that are left.</param>
public readonly record struct RelationLoss(
    Lsn Position, TimestampTz? Time, uint Xid, LossKind Kind, uint Tablespace, uint Database, uint Relation, uint Block);
