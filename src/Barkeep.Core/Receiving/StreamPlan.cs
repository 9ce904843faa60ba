using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>What to do before and while streaming, given what is held and where the server is.</summary>
/// <param name="GoesOn">Whether anything is held of the server's history, after which it starts.</param>
/// <param name="Again">What the spool holds of segments that will come again.</param>
/// <param name="Finished">Complete segments, to be put into the repository.</param>
/// <param name="Ended">Segments that will never be complete, because their timeline ended or a gap follows: kept as partial.</param>
sealed record StreamPlan(
    StartPoint Start,
    bool GoesOn,
    IReadOnlyDictionary<SegmentName, SpooledSegment> Again,
    IReadOnlyList<SpooledSegment> Finished,
    IReadOnlyList<SpooledSegment> Ended);
