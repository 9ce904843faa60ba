namespace Barkeep.Repo;

/// <summary>A segment on the way of a restore.</summary>
/// <param name="Keep">How many of its bytes belong to the restored history and are whole; zeros follow.</param>
public readonly record struct WalPart(ReceivedSegment Segment, int Keep);
