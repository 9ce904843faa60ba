using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>Where to stream from.</summary>
/// <param name="Position">A segment's start.</param>
/// <param name="Held">What is held already ends here: nothing below it is claimed before it has come again.</param>
readonly record struct StartPoint(TimelineId Timeline, Lsn Position, Lsn Held);
