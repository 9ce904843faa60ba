using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Wal;
using Microsoft.Extensions.Logging;

namespace Barkeep.Receiving;

/// <summary>
/// Finds out whether a server's WAL goes on from what is here. Where a segment is held in part, it is received again and compared; where everything held
/// ends with a segment, nothing would tell a second cluster on the same timeline from the first.
/// </summary>
public static class HeldProof
{
    /// <summary>What to do where the server has written other WAL than what is held, and as much or more.</summary>
    internal const string Ahead =
        Cause + "; of one that was put back drop the replication slot: once checkpoints there have removed the old WAL, a gap is recorded and all goes on; then barman backup --full";

    /// <summary>What to do where it has written less.</summary>
    internal const string Behind = Cause + "; " + NewTimeline;

    internal const string NewTimeline = "one that was put back must go on on a timeline of its own: start it once with standby.signal and promote it, then barman backup --full";

    const string Cause = "two clusters write this timeline, or the server was put back to an earlier state: find out which is yours";

    /// <summary>Compares what is stored of the segment before a position with the server's, if that still has it.</summary>
    /// <param name="position">Where the server's WAL, or what is held, ends.</param>
    /// <param name="whatToDo">When they differ.</param>
    /// <exception cref="BarkeepException">WalDiverged: they differ. What goes wrong with the connection.</exception>
    public static async Task CheckAsync(ConnectionTarget target, Lineage lineage, TimelineId timeline, Lsn position, string whatToDo, ILogger logger, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        if (!position.IsValid || SegmentName.Containing(timeline, new(position.Value - 1), size) is var name && !await lineage.Wal.HasSegmentAsync(name, cancellationToken))
        {
            return;
        }
        using var held = new MemoryStream(size.Bytes);
        try
        {
            await lineage.Wal.CopySegmentAsync(name, partial: false, held, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            // It proves nothing any more. That it is lost is no reason to lose what comes after it.
            logger.LogWarning("{Segment} cannot be compared with the server's: {Reason}", name, e.Line);
            return;
        }
        using var deadline = new WireDeadline(target.CommandTimeout, cancellationToken);
        try
        {
            await using var connection = await ReplicationConnection.ConnectAsync(target, cancellationToken);
            if (await connection.StartAsync(null, name.Start(size), timeline, cancellationToken) is null)
            {
                await CompareAsync(connection, held.GetBuffer().AsMemory(0, (int)Math.Min(held.Length, position - name.Start(size))), name, size, whatToDo, deadline);
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.WalGap or ErrorKind.NoFreeWalSender)
        {
            logger.LogInformation("whether {Segment} is the server's cannot be told: {Reason}", name, e.Message);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"{target}: no answer when asked for WAL of {name}");
        }
    }

    static async Task CompareAsync(ReplicationConnection connection, ReadOnlyMemory<byte> held, SegmentName name, SegmentSize size, string whatToDo, WireDeadline deadline)
    {
        for (var at = 0L; at < held.Length;)
        {
            var message = await connection.ReadAsync(deadline.Token);
            if (message.Kind == WalMessageKind.Keepalive)
            {
                continue;
            }
            if (message.Kind != WalMessageKind.Data)
            {
                return;
            }
            var part = message.Data.Span[..(int)Math.Min(message.Data.Length, held.Length - at)];
            if (message.Start - name.Start(size) != at || !part.SequenceEqual(held.Span.Slice((int)at, part.Length)))
            {
                throw new BarkeepException(ErrorKind.WalDiverged, $"the server's WAL differs from what was received before in {name}, on the same timeline", whatToDo);
            }
            at += part.Length;
            // The server answers: a large segment may take as long as its line is slow.
            deadline.Renew();
        }
    }
}
