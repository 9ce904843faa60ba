using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>
/// Finds what was committed behind the record at which recovery stops for a time, and yet before that time, by a clock that was set back. Recovery stops at
/// the first transaction that ended later, and asks for no others.
/// </summary>
public static class LateCommits
{
    // A transaction takes its time before its record takes its place: a little out of order they often are.
    const long Tolerance = 1_000_000;

    /// <summary>The last of them that is noted; null when there are none.</summary>
    /// <param name="route">Beyond the stop too, as far as WAL was received.</param>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage: WAL of which nothing is noted cannot be read.</exception>
    public static async Task<CommitMoment?> FindLastAsync(
        Lineage lineage, WalSpool spool, WalRoute route, RecoveryTarget target, RecoveryStop stop, CancellationToken cancellationToken)
    {
        if (target.Kind != RecoveryTargetKind.Time || stop.Time is not { } stopped)
        {
            return null;
        }
        var latest = TimestampTz.Min(TimestampTz.From(target.Time), new(stopped.Microseconds - Tolerance));
        var moments = new RouteMoments(lineage, spool, route);
        for (var i = moments.Count - 1; i >= 0 && moments.EndOf(i) > stop.End; i--)
        {
            if (await moments.TryGetBoundsAsync(i, cancellationToken) is { } bounds && !MayHold(bounds))
            {
                continue;
            }
            var (kept, all) = await moments.GetAsync(i, cancellationToken);
            if (kept.Commits.Cast<CommitMoment?>().Append(all.LastCommit).LastOrDefault(c => c is { } commit && commit.Position >= stop.End && commit.Time <= latest) is { } found)
            {
                return found;
            }
        }
        return null;

        bool MayHold(MomentBounds bounds) => bounds.HasTransactions && bounds.LeastTime <= latest;
    }
}
