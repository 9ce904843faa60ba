using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>A WAL segment, or the received part of one.</summary>
/// <param name="Length">Bytes; for <see cref="WalPlace.Partial"/>, at most so many.</param>
/// <param name="IsComplete">Whether it was received to its end.</param>
/// <param name="StoredLength">Bytes that are read to have it: fewer in the repository, where it is compressed.</param>
public readonly record struct ReceivedSegment(SegmentName Name, WalPlace Place, long Length, bool IsComplete, long StoredLength);
