using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>A WAL segment in the repository.</summary>
/// <param name="IsPartial">Its timeline ended in it: it is shorter than a segment.</param>
/// <param name="StoredLength">Bytes it takes, compressed.</param>
/// <param name="IsDamaged">It was found to be damaged, and counts as missing until it comes again.</param>
public readonly record struct StoredSegment(SegmentName Name, bool IsPartial, long StoredLength, bool IsDamaged = false);
