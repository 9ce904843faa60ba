using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>What the received WAL says has changed between two positions, or why it cannot say it.</summary>
public sealed record ReceivedChanges
{
    /// <summary>Null when there is an <see cref="Obstacle"/>.</summary>
    public BlockChanges? Changes { get; private init; }

    /// <summary>Why the changes are not known, in a line for people; null when they are.</summary>
    public string? Obstacle { get; private init; }

    /// <summary>Whether the obstacle is only that some of the WAL has not been received yet: asking again later may help.</summary>
    public bool IsYetToCome { get; private init; }

    /// <summary>Whether the obstacle is that the server has written other WAL: no backup of it can be restored with what was received.</summary>
    public bool IsDiverged { get; private init; }

    /// <summary>
    /// Collects the changes of all records that begin from <paramref name="from"/> on and before <paramref name="to"/>; a few later
    /// ones may be among them. That WAL is yet to come is found out first, and costs nothing but the listing.
    /// </summary>
    /// <param name="received">As it was listed just before.</param>
    /// <param name="history">Of the timeline of <paramref name="to"/>; the one of <paramref name="from"/> is on it.</param>
    /// <param name="from">The begin of the earlier backup.</param>
    /// <param name="to">The begin of the later one: where a record begins.</param>
    /// <exception cref="BarkeepException">Storage: the WAL is there and cannot be read.</exception>
    public static async Task<ReceivedChanges> CollectAsync(
        Lineage lineage, WalSpool spool, ReceivedWal received, TimelineHistory history, Lsn from, Lsn to, CancellationToken cancellationToken)
    {
        if (to < from)
        {
            return Cannot($"{to} lies before {from}, where the earlier backup begins");
        }
        // A record never begins within a page's header; a position in it needs nothing of that page.
        var page = to.AlignDown(PageHeader.PageSize);
        var end = to - page <= PageHeader.SizeAt(page, received.SegmentSize) ? page : to;
        var parts = new List<WalPart>();
        for (var number = received.SegmentSize.NumberOf(from); received.SegmentSize.StartOf(number) < end; number++)
        {
            var start = received.SegmentSize.StartOf(number);
            var needed = Math.Min(end - start, received.SegmentSize.Bytes);
            if (WalRoute.Find(received, history, number) is not { } part)
            {
                return Lacking(received, history, number);
            }
            if (part.Keep < needed)
            {
                // Even where the next one has begun: a segment that is received again after a crash is short until it has caught up.
                return part.Segment.Place == WalPlace.Spool ? YetToCome(part.Segment.Name) : Lacking(received, history, number);
            }
            parts.Add(part);
        }
        var walk = new ChangesWalk(lineage, spool, history, parts, from, to);
        return await walk.RunAsync(cancellationToken) is { } obstacle
            ? new() { Obstacle = obstacle.Text, IsYetToCome = obstacle.IsYetToCome }
            : new() { Changes = walk.Changes };
    }

    /// <summary>
    /// Why the received WAL is not to be believed: it may not be what has led the server to where it is, when that was put back to an earlier state. Null when it is.
    /// </summary>
    /// <param name="history">Of the timeline that the server is on.</param>
    /// <param name="present">The server's last checkpoint.</param>
    /// <exception cref="BarkeepException">Storage: the WAL is there and cannot be read.</exception>
    public static async Task<ReceivedChanges?> FindDoubtAsync(
        Lineage lineage, WalSpool spool, ReceivedWal received, TimelineHistory history, CheckpointMark present, CancellationToken cancellationToken)
    {
        var number = received.SegmentSize.NumberOf(present.Position);
        var parts = new List<WalPart>();
        // The next one too: the record may cross into it.
        for (var i = number; i <= number + 1 && WalRoute.Find(received, history, i) is { } part; i++)
        {
            parts.Add(part);
        }
        if (parts.Count == 0)
        {
            return Lacking(received, history, number);
        }
        try
        {
            return await new WalProof(lineage, spool, history, parts).HasAsync(present, cancellationToken) switch
            {
                true => null,
                false => Cannot($"the WAL that was received has not the server's checkpoint at {present.Position}: the server was put back to an earlier state, or two clusters write timeline {history.Timeline.Value}") with { IsDiverged = true },
                null => YetToCome(parts[^1].Segment.Name),
            };
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            return Cannot(e.Message);
        }
    }

    static ReceivedChanges Lacking(ReceivedWal received, TimelineHistory history, ulong number)
    {
        var size = received.SegmentSize;
        var start = size.StartOf(number);
        var name = SegmentName.Of(history.TimelineAt(start), number, size);
        if (received.GapAt(history, number) is { } gap)
        {
            return Cannot($"the WAL from {gap.From} to {gap.To} is missing: {gap.Reason}");
        }
        // Where later WAL is here, this will not come any more.
        return received.LastEnd(history.Timeline, size.StartOf(number + 1)) is null
            ? YetToCome(name)
            : Cannot($"WAL segment {name} is missing");
    }

    static ReceivedChanges YetToCome(SegmentName name) => new() { Obstacle = $"WAL segment {name} has not been received far enough yet", IsYetToCome = true };

    static ReceivedChanges Cannot(string obstacle) => new() { Obstacle = obstacle };
}
