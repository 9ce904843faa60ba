using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>A segment on the way of a restore.</summary>
/// <param name="Keep">How many of its bytes belong to the restored history and are whole; zeros follow.</param>
public readonly record struct WalPart(ReceivedSegment Segment, int Keep)
{
    /// <summary>Whether the next segment follows on it: a partial one in the repository ends somewhere within, wherever that is.</summary>
    internal bool IsWhole(SegmentSize size) => Keep == size.Bytes && Segment.IsComplete;
}
