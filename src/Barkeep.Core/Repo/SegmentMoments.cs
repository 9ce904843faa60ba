using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>The moments of a complete segment.</summary>
/// <param name="Moments">Of each record that ends in it.</param>
/// <param name="Bounds">As they were stored: they count what <paramref name="Moments"/> does not keep.</param>
/// <param name="IsWhole">False when it begins with the rest of a record whose beginning was not known: that record is missing.</param>
public sealed record SegmentMoments(Moments Moments, MomentBounds Bounds, bool IsWhole);
