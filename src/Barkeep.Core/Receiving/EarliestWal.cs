using Barkeep.Common;
using Barkeep.Postgres;
using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>
/// Finds the oldest segment that a server still has, by asking for segments: a streaming role may not list pg_wal. WAL is removed
/// oldest first, so that a few questions are enough.
/// </summary>
static class EarliestWal
{
    /// <param name="from">The segment that is wanted: its start.</param>
    /// <param name="flushed">The end of the server's WAL.</param>
    /// <returns><paramref name="from"/> when the server has it.</returns>
    public static async Task<Lsn> FindAsync(
        ConnectionTarget target, TimelineHistory history, SegmentSize size, Lsn from, Lsn flushed, CancellationToken cancellationToken)
    {
        var (missing, offered) = (size.NumberOf(from), size.NumberOf(flushed));
        if (offered <= missing || await OffersAsync(target, history, from, cancellationToken))
        {
            return from;
        }
        while (offered - missing > 1)
        {
            var middle = missing + ((offered - missing) / 2);
            if (await OffersAsync(target, history, size.StartOf(middle), cancellationToken))
            {
                offered = middle;
            }
            else
            {
                missing = middle;
            }
        }
        return size.StartOf(offered);
    }

    static async Task<bool> OffersAsync(ConnectionTarget target, TimelineHistory history, Lsn position, CancellationToken cancellationToken)
    {
        await using var connection = await ReplicationConnection.ConnectAsync(target, cancellationToken);
        using var deadline = new WireDeadline(target.CommandTimeout, cancellationToken);
        try
        {
            // The server opens the stream first and only then looks for the segment.
            if (await connection.StartAsync(null, position, history.TimelineAt(position), cancellationToken) is null)
            {
                await connection.ReadInTimeAsync(deadline, $"{position}");
            }
            return true;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.WalGap)
        {
            return false;
        }
    }
}
