using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Received;
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
        Cause + "; at one that was put back drop the replication slot and run, twice, SELECT pg_switch_wal(); CHECKPOINT: once the old WAL is removed there, a gap is recorded and all goes on; then barman backup --full";

    /// <summary>What to do where it has written less.</summary>
    internal const string Behind = Cause + "; " + NewTimeline;

    internal const string NewTimeline = "one that was put back must go on on a timeline of its own: start it once with standby.signal and promote it, then barman backup --full";

    const string Cause = "two clusters write this timeline, or the server was put back to an earlier state: find out which is yours";

    /// <summary>Compares what is stored of the segment before a position with the server's, if that still has it.</summary>
    /// <param name="position">Where the server's WAL, or what is held, ends.</param>
    /// <param name="whatToDo">When they differ.</param>
    /// <exception cref="BarkeepException">WalDiverged: they differ. What goes wrong with the connection.</exception>
    public static async Task<HeldAnswer> CheckAsync(ConnectionTarget target, Lineage lineage, TimelineId timeline, Lsn position, string whatToDo, ILogger logger, CancellationToken cancellationToken)
    {
        var size = lineage.Identity.SegmentSize;
        if (!position.IsValid || SegmentName.Containing(timeline, new(position.Value - 1), size) is var name && !await lineage.Wal.HasSegmentAsync(name, cancellationToken))
        {
            return HeldAnswer.Untold;
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
            return HeldAnswer.Untold;
        }
        return await CompareAsync(target, name, size, held.GetBuffer().AsMemory(0, (int)Math.Min(held.Length, position - name.Start(size))), whatToDo, logger, cancellationToken);
    }

    /// <summary>Compares what the spool holds of the segment that comes next, as far as the server's WAL goes, without the slot.</summary>
    /// <exception cref="BarkeepException">WalDiverged: they differ. Storage. What goes wrong with the connection.</exception>
    internal static async Task<HeldAnswer> CheckTailAsync(ConnectionTarget target, WalSpool spool, SpooledSegment tail, Lsn flushed, ILogger logger, CancellationToken cancellationToken)
    {
        var path = spool.PathOf(tail.Name);
        var length = (int)Math.Min(tail.ValidLength, flushed - tail.Name.Start(spool.SegmentSize));
        byte[] held;
        try
        {
            held = await File.ReadAllBytesAsync(path, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading {path}");
        }
        return length <= 0 ? HeldAnswer.Untold : await CompareAsync(target, tail.Name, spool.SegmentSize, held.AsMemory(0, length), StaysIn(path), logger, cancellationToken);
    }

    /// <summary>What to do where the spool holds other WAL than the server.</summary>
    internal static string StaysIn(string path) => $"what was received stays in {path}; {Ahead}";

    static async Task<HeldAnswer> CompareAsync(
        ConnectionTarget target, SegmentName name, SegmentSize size, ReadOnlyMemory<byte> held, string whatToDo, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await ReplicationConnection.ConnectAsync(target, cancellationToken);
            return await connection.StartAsync(null, name.Start(size), name.Timeline, cancellationToken) is null && await IsEqualAsync(connection, target, held, name, size, whatToDo, cancellationToken)
                ? HeldAnswer.Equal : HeldAnswer.Untold;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.WalGap or ErrorKind.NoFreeWalSender)
        {
            logger.LogInformation("whether {Segment} is the server's cannot be told: {Reason}", name, e.Message);
            return e.Kind == ErrorKind.WalGap ? HeldAnswer.Removed : HeldAnswer.Untold;
        }
    }

    /// <returns>False when the stream ends before all has come.</returns>
    static async Task<bool> IsEqualAsync(
        ReplicationConnection connection, ConnectionTarget target, ReadOnlyMemory<byte> held, SegmentName name, SegmentSize size, string whatToDo, CancellationToken cancellationToken)
    {
        using var deadline = new WireDeadline(target.CommandTimeout, cancellationToken);
        for (var at = 0L; at < held.Length;)
        {
            var message = await connection.ReadInTimeAsync(deadline, $"{name}");
            if (message.Kind == WalMessageKind.Keepalive)
            {
                continue;
            }
            if (message.Kind != WalMessageKind.Data)
            {
                return false;
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
        return true;
    }
}
