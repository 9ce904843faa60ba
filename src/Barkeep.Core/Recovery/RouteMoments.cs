using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>The moments of each segment on a route: as the receiver has noted them, or from a walk where it has not.</summary>
sealed class RouteMoments(Lineage lineage, WalSpool spool, WalRoute route)
{
    readonly PartWalk _walk = new(lineage, spool, route.History, route.Parts);

    public int Count => route.Parts.Count;

    public Lsn StartOf(int index) => route.Parts[index].Segment.Name.Start(route.SegmentSize);

    /// <summary>Where the segment's received bytes end.</summary>
    public Lsn EndOf(int index) => StartOf(index) + route.Parts[index].Keep;

    /// <summary>Between what a segment's moments lie; null when that is not stored.</summary>
    public async Task<MomentBounds?> TryGetBoundsAsync(int index, CancellationToken cancellationToken) =>
        IsStored(index) && await lineage.Wal.TryGetMomentBoundsAsync(route.Parts[index].Segment.Name, cancellationToken) is { } found && IsWhole(index, found.IsWhole) ? found.Bounds : null;

    /// <summary>A segment's moments, and their bounds.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<(Moments Moments, MomentBounds Bounds)> GetAsync(int index, CancellationToken cancellationToken)
    {
        if (IsStored(index) && await lineage.Wal.TryGetMomentsAsync(route.Parts[index].Segment.Name, cancellationToken) is { } stored && IsWhole(index, stored.IsWhole))
        {
            return (stored.Moments, stored.Bounds);
        }
        var moments = new Moments();
        await WalkAsync(index, new MomentCollector(moments), cancellationToken);
        return (moments, moments.Bounds);
    }

    /// <summary>The last commit in the segments before one; null when there is none.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<CommitMoment?> FindLastCommitAsync(int before, CancellationToken cancellationToken)
    {
        for (var i = before - 1; i >= 0; i--)
        {
            if ((await TryGetBoundsAsync(i, cancellationToken) ?? (await GetAsync(i, cancellationToken)).Bounds).LastCommit is { } found)
            {
                return found;
            }
        }
        return null;
    }

    /// <summary>Shows each record that ends in a segment to the visitor.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task WalkAsync<TVisitor>(int index, TVisitor visitor, CancellationToken cancellationToken)
        where TVisitor : struct, IRecordVisitor =>
        await _walk.RunAsync(index, visitor, cancellationToken);

    bool IsStored(int index) => route.Parts[index] is { Segment.Place: WalPlace.Repository } part && part.Keep == route.SegmentSize.Bytes;

    // The record that crosses into the first segment begins before the route.
    static bool IsWhole(int index, bool isWhole) => isWhole || index == 0;
}
