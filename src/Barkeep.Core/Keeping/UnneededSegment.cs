using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>A WAL segment that goes.</summary>
/// <param name="Why">In half a sentence.</param>
public readonly record struct UnneededSegment(StoredSegment Segment, string Why);
