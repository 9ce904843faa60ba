using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>Finds the transactions that have not ended at a position, from as little of the WAL before it as tells, within bounds.</summary>
static class OpenTransactionSearch
{
    // How many segments before that of the position are walked: beyond that a transaction's begin stays unknown.
    const int MaxBack = 31;

    /// <param name="until">Where replay of the route stops.</param>
    /// <param name="isEnough">Whether an earlier begin of the walk would tell nothing that is asked for.</param>
    /// <exception cref="Common.BarkeepException">Damaged, ObjectMissing, Storage: the WAL that must be looked at cannot be read.</exception>
    public static async Task<OpenTransactions> FindAsync(RouteMoments route, Lsn until, Func<OpenTransactions, bool> isEnough, CancellationToken cancellationToken)
    {
        var last = 0;
        while (last + 1 < route.Count && route.StartOf(last + 1) < until)
        {
            last++;
        }
        for (var (first, step) = (last, 1); ; first -= step, step *= 2)
        {
            first = Math.Max(first, 0);
            var open = new OpenTransactions(until);
            var follower = new TransactionFollower(open);
            // The record at the position may end in a later segment, and what tells of it may follow there.
            for (var i = first; i < route.Count && (i <= last || !open.HasPassed); i++)
            {
                await route.WalkAsync(i, follower, cancellationToken);
            }
            if (first == 0 || last - first >= MaxBack || isEnough(open))
            {
                return open;
            }
        }
    }
}
