using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>A segment found in the spool, walked.</summary>
/// <param name="Length">Bytes in the file.</param>
/// <param name="ValidLength">Bytes up to the end of the last whole and valid record: known good, and never given up.</param>
/// <param name="IsComplete">All its bytes are there and none is wrong: it needs nothing but to be put into the repository.</param>
sealed record SpooledSegment(SegmentName Name, int Length, int ValidLength, bool IsComplete);
