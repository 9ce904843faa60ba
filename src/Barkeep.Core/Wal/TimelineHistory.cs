using System.Text;

namespace Barkeep.Wal;

/// <summary>
/// Which timelines led to one, and where each was left: the content of a timeline history file
/// (timeline.c: lines of parent timeline, switch position, reason, separated by tabs; <c>#</c> starts a comment).
/// </summary>
public sealed class TimelineHistory
{
    TimelineHistory(TimelineId timeline, IReadOnlyList<Entry> ancestors)
    {
        Timeline = timeline;
        Ancestors = ancestors;
    }

    /// <summary>One ancestor and the position at which its successor left it.</summary>
    public readonly record struct Entry(TimelineId Timeline, Lsn End);

    public TimelineId Timeline { get; }

    /// <summary>Oldest first; empty for a timeline that initdb began.</summary>
    public IReadOnlyList<Entry> Ancestors { get; }

    /// <summary>The history of a timeline without ancestors.</summary>
    public static TimelineHistory Initial(TimelineId timeline) => new(timeline, []);

    /// <exception cref="FormatException">Not a history file: timelines or positions do not ascend, or cannot be read.</exception>
    public static TimelineHistory Parse(TimelineId timeline, ReadOnlySpan<byte> content)
    {
        var ancestors = new List<Entry>();
        foreach (var line in Encoding.UTF8.GetString(content).Split('\n'))
        {
            var text = line.AsSpan().Trim();
            if (text.IsEmpty || text[0] == '#')
            {
                continue;
            }
            var fields = text.ToString().Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 2
                || !TimelineId.TryParse(fields[0], out var parent)
                || !Lsn.TryParse(fields[1], out var end))
            {
                throw new FormatException($"timeline history {timeline}: cannot read the line '{text}'");
            }
            if (parent >= timeline || (ancestors.Count > 0 && (parent <= ancestors[^1].Timeline || end < ancestors[^1].End)))
            {
                throw new FormatException($"timeline history {timeline}: the line '{text}' is out of order");
            }
            ancestors.Add(new(parent, end));
        }
        return new(timeline, ancestors);
    }

    /// <summary>A timeline of which both speak and know different origins, so that not both can be of one cluster: a server copies its parent's history. Null when there is none.</summary>
    public TimelineId? FindConflict(TimelineHistory other)
    {
        foreach (var timeline in Ancestors.Select(static a => a.Timeline).Append(Timeline))
        {
            if (other.OriginOf(timeline) is { } theirs && !theirs.SequenceEqual(OriginOf(timeline)!))
            {
                return timeline;
            }
        }
        return null;
    }

    // The ancestors of this timeline or of one of its ancestors; null for any other.
    IEnumerable<Entry>? OriginOf(TimelineId timeline) =>
        timeline == Timeline ? Ancestors
        : Ancestors.Any(a => a.Timeline == timeline) ? Ancestors.TakeWhile(a => a.Timeline != timeline)
        : null;

    /// <summary>Whether this timeline is, or descends from, <paramref name="timeline"/> at that position: its WAL up to there belongs to this history.</summary>
    public bool Contains(TimelineId timeline, Lsn lsn)
    {
        if (timeline == Timeline)
        {
            return Ancestors.Count == 0 || lsn >= Ancestors[^1].End;
        }
        var begin = Lsn.Invalid;
        foreach (var ancestor in Ancestors)
        {
            if (ancestor.Timeline == timeline)
            {
                return lsn >= begin && lsn <= ancestor.End;
            }
            begin = ancestor.End;
        }
        return false;
    }

    /// <summary>The timeline on which this history has the byte at a position.</summary>
    public TimelineId TimelineAt(Lsn lsn)
    {
        foreach (var ancestor in Ancestors)
        {
            if (lsn < ancestor.End)
            {
                return ancestor.Timeline;
            }
        }
        return Timeline;
    }
}
