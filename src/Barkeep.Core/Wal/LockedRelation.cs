namespace Barkeep.Wal;

/// <summary>A relation that a transaction holds locked against readers too (ACCESS EXCLUSIVE): the only lock that replay takes.</summary>
/// <param name="Relation">Its own number, not that of its file.</param>
public readonly record struct LockedRelation(uint Database, uint Relation);
