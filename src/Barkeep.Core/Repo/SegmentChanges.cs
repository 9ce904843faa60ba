using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>The block changes of a complete segment.</summary>
/// <param name="Changes">Of each record that ends in it.</param>
/// <param name="IsWhole">False when it begins with the rest of a record whose beginning was not known: that record is missing.</param>
public sealed record SegmentChanges(BlockChanges Changes, bool IsWhole);
