using System.Globalization;
using Barkeep.Common;

namespace Barkeep.Wal;

/// <summary>
/// The 24 hex digits that name a WAL segment file: timeline, log, segment within the log (xlog_internal.h, XLogFileName).
/// The name means a position only together with the cluster's <see cref="SegmentSize"/>.
/// </summary>
public readonly record struct SegmentName(TimelineId Timeline, uint Log, uint Segment) : IComparable<SegmentName>
{
    /// <summary>The segment with this number.</summary>
    public static SegmentName Of(TimelineId timeline, ulong number, SegmentSize size) =>
        new(timeline, (uint)(number / size.SegmentsPerLog), (uint)(number % size.SegmentsPerLog));

    /// <summary>The segment that holds this position.</summary>
    public static SegmentName Containing(TimelineId timeline, Lsn lsn, SegmentSize size) => Of(timeline, size.NumberOf(lsn), size);

    /// <exception cref="BarkeepException">BadWalName: not 24 hex digits.</exception>
    public static SegmentName Parse(string text) =>
        TryParse(text, out var name) ? name : throw new BarkeepException(ErrorKind.BadWalName, $"'{text}' is not a valid WAL file name", "24 hex digits, as in pg_wal");

    public static bool TryParse(ReadOnlySpan<char> text, out SegmentName name)
    {
        name = default;
        if (text.Length != 24 || !TimelineId.TryParseHex(text[..8], out var timeline) || !TimelineId.IsUpperHex(text[8..]))
        {
            return false;
        }
        name = new(
            timeline,
            uint.Parse(text[8..16], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
            uint.Parse(text[16..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return true;
    }

    /// <summary>The segment's number, counted from position 0/0.</summary>
    public ulong Number(SegmentSize size) => ((ulong)Log * size.SegmentsPerLog) + Segment;

    /// <summary>The segment's first position.</summary>
    public Lsn Start(SegmentSize size) => size.StartOf(Number(size));

    /// <summary>The first position after the segment.</summary>
    public Lsn End(SegmentSize size) => size.StartOf(Number(size) + 1);

    /// <summary>The next segment of the same timeline.</summary>
    public SegmentName Next(SegmentSize size) => Of(Timeline, Number(size) + 1, size);

    /// <summary>Whether a cluster with this segment size could have such a segment.</summary>
    public bool IsValidFor(SegmentSize size) => Segment < size.SegmentsPerLog;

    /// <exception cref="BarkeepException">BadWalName: a cluster with this segment size has no such segment.</exception>
    public void ThrowUnlessValidFor(SegmentSize size)
    {
        if (!IsValidFor(size))
        {
            throw new BarkeepException(ErrorKind.BadWalName, $"{this} cannot be the name of a WAL file of this server, whose segments have {size.Bytes >> 20} MiB", "name a file of this server's pg_wal");
        }
    }

    public int CompareTo(SegmentName other) => (Timeline, Log, Segment).CompareTo((other.Timeline, other.Log, other.Segment));

    public override string ToString() => $"{Timeline.Hex}{Log:X8}{Segment:X8}";

    public static bool operator <(SegmentName a, SegmentName b) => a.CompareTo(b) < 0;
    public static bool operator >(SegmentName a, SegmentName b) => a.CompareTo(b) > 0;
    public static bool operator <=(SegmentName a, SegmentName b) => a.CompareTo(b) <= 0;
    public static bool operator >=(SegmentName a, SegmentName b) => a.CompareTo(b) >= 0;
}
