using Barkeep.Wal;

namespace Barkeep.Targets;

/// <summary>What happened in a window near a time, or in all of it.</summary>
/// <param name="Commits">Thinned where there are many.</param>
/// <param name="CommitCount">How many there were in the segments that were looked at.</param>
/// <param name="UnreadSegments">Segments that nothing is noted of and that were too many to be walked.</param>
public sealed record RecoveryMoments(
    IReadOnlyList<CommitMoment> Commits, long CommitCount, IReadOnlyList<RestorePoint> RestorePoints, IReadOnlyList<CheckpointMoment> Checkpoints,
    IReadOnlyList<TimelineSwitch> Switches, IReadOnlyList<RelationLoss> Losses, int UnreadSegments);
