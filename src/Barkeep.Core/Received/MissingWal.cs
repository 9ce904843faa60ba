using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>WAL that is not here although its history went on, or is known to be damaged: no recovery crosses it. Told by names alone.</summary>
/// <param name="First">The first segment that is not there, or not to its end.</param>
/// <param name="From">Where it begins: as was recorded, or else where the received bytes end.</param>
/// <param name="To">Where WAL is here again, or will be.</param>
/// <param name="Reason">In a line for people.</param>
/// <param name="IsRecorded">Whether it was recorded as never received; otherwise it has been removed by other hands, or is yet to come.</param>
public sealed record MissingWal(SegmentName First, Lsn From, Lsn To, string Reason, bool IsRecorded)
{
    /// <summary>What is missing where recovery comes to a segment that it cannot read to its end; null when the history goes no further yet.</summary>
    internal static MissingWal? Find(ReceivedWal received, TimelineHistory history, ulong number)
    {
        var size = received.SegmentSize;
        var gap = received.GapAt(history, number);
        var again = received.NextStart(history, size.StartOf(number + 1)) ?? received.EndOfDamaged(history, size.StartOf(number));
        if (gap is null && again is null)
        {
            return null;
        }
        var end = EndOfPart(received, history, number);
        var first = SegmentName.Of(history.TimelineAt(end), number, size);
        var to = again ?? gap!.To;
        if (gap is not null)
        {
            return new(first, Lsn.Max(gap.From, size.StartOf(number)), to, gap.Reason, IsRecorded: true);
        }
        var last = size.NumberOf(to) - 1;
        var damaged = received.Damaged.Count(d => d.Number(size) >= number && d.Number(size) <= last && d.Timeline == history.TimelineAt(Lsn.Max(end, d.Start(size))));
        var reason = last == number
            ? $"WAL segment {first} is {(damaged > 0 ? "damaged" : received.TryGet(first, out _) ? "not complete" : "missing")}"
            : $"WAL segments {first} to {SegmentName.Of(history.TimelineAt(size.StartOf(last)), last, size)} are {(damaged == 0 ? "missing" : damaged > (int)(last - number) ? "damaged" : "missing or damaged")}";
        return new(first, end, to, reason, IsRecorded: false);
    }

    public override string ToString() => $"{From} to {To} on timeline {First.Timeline}: {Reason}";

    // How much a partial segment in the repository has is not known from its name, unless its timeline was left in it.
    static Lsn EndOfPart(ReceivedWal received, TimelineHistory history, ulong number)
    {
        var start = received.SegmentSize.StartOf(number);
        return WalRoute.Find(received, history, number) is { } part && part.Keep < received.SegmentSize.Bytes ? start + part.Keep : start;
    }
}
