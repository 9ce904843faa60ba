using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Targets;

/// <summary>Looks up what happened in a window: in what the receiver has noted, and in the WAL itself where it has not.</summary>
public sealed class MomentLookup(Lineage lineage, WalSpool spool, RecoveryWindow window)
{
    // What an earlier version has received is not walked without being asked: that may be hundreds of GiB.
    const int MaxWalks = 64;

    // How far back a transaction's files are looked for.
    const int MaxLookBack = 256;

    // How many segments behind that of a database's drop its commit is looked for, which follows at once.
    const int MaxLookAhead = 8;

    readonly RouteMoments _route = new(lineage, spool, window.Route);
    readonly Dictionary<int, (Moments Moments, MomentBounds Bounds)> _read = [];

    /// <summary>All restore points of the window, and its timeline switches.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<RecoveryMoments> ListPointsAsync(CancellationToken cancellationToken)
    {
        var (found, unread) = (new Gathering(), 0);
        var walks = MaxWalks;
        // From the end: what is not noted is walked there first.
        for (var i = _route.Count - 1; i >= 0; i--)
        {
            if (await _route.TryGetBoundsAsync(i, cancellationToken) is not { } bounds)
            {
                if (walks-- <= 0)
                {
                    unread++;
                    continue;
                }
                found.Add(await ReadAsync(i, cancellationToken), static _ => true);
            }
            else if (bounds.RestorePoints > 0 || bounds.Switches > 0)
            {
                found.Add(await ReadAsync(i, cancellationToken), static _ => true);
            }
        }
        return found.ToMoments(window.From, unread) with { Commits = [], Losses = [], Checkpoints = [] };
    }

    /// <summary>What happened in the window between two times.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<RecoveryMoments> ListAsync(TimestampTz from, TimestampTz to, CancellationToken cancellationToken)
    {
        var found = new Gathering();
        var segments = await FindSegmentsAsync(from, to, cancellationToken);
        foreach (var i in segments)
        {
            var segment = await ReadAsync(i, cancellationToken);
            found.Add(segment, IsWanted);
            found.Losses.AddRange((await LossesAsync(i, segment.Moments, cancellationToken)).Where(l => IsWanted(l.Time ?? segment.Bounds.LeastTime)));
            await RefineAsync(found, i, cancellationToken);
        }
        return found.ToMoments(Lsn.Invalid, 0);

        bool IsWanted(TimestampTz time) => time >= from && time <= to;
    }

    /// <summary>
    /// Where the transaction of a loss began: before that, nothing of it is replayed. Walks up to 32 segments back.
    /// </summary>
    /// <returns>Null when it has no transaction, or began further back or before the window's WAL.</returns>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public async Task<Lsn?> FindBeginAsync(RelationLoss loss, CancellationToken cancellationToken)
    {
        if (loss.Xid == 0)
        {
            return null;
        }
        var open = await OpenTransactionSearch.FindAsync(_route, loss.Position, open => open.HasBegunWithin(loss.Xid), cancellationToken);
        return open.HasBegunWithin(loss.Xid) ? open.Find(loss.Xid)?.Begin ?? loss.Position : null;
    }

    /// <summary>The transactions that have not ended where replay of the window's WAL stops.</summary>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, Storage.</exception>
    public Task<OpenTransactions> FindOpenAsync(Lsn until, CancellationToken cancellationToken) =>
        OpenTransactionSearch.FindAsync(_route, until, static open => open.IsWhole, cancellationToken);

    // By the bounds of each segment where all are noted; else, since times all but ascend, by halving.
    async Task<IReadOnlyList<int>> FindSegmentsAsync(TimestampTz from, TimestampTz to, CancellationToken cancellationToken)
    {
        var bounds = new MomentBounds?[_route.Count];
        var missing = 0;
        for (var i = 0; i < bounds.Length; i++)
        {
            bounds[i] = await _route.TryGetBoundsAsync(i, cancellationToken);
            missing += bounds[i] is null ? 1 : 0;
        }
        var first = missing <= MaxWalks ? 0 : await HalveAsync(bounds, from, cancellationToken);
        var found = new List<int>();
        var isBeyond = false;
        for (var i = first; i < bounds.Length && !(missing > MaxWalks && isBeyond); i++)
        {
            var known = bounds[i] ??= (await _route.GetAsync(i, cancellationToken)).Bounds;
            if (known.HasTransactions && known.GreatestTime >= from && known.LeastTime <= to)
            {
                found.Add(i);
            }
            isBeyond = known.HasTransactions && known.LeastTime > to;
        }
        return found;
    }

    /// <summary>A segment from which on to look: the last one that is known to end before a time.</summary>
    async Task<int> HalveAsync(MomentBounds?[] bounds, TimestampTz from, CancellationToken cancellationToken)
    {
        var (low, high) = (0, bounds.Length);
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            // The next one in which a transaction ends.
            var at = middle;
            while (at < high && !(bounds[at] ??= (await _route.GetAsync(at, cancellationToken)).Bounds).HasTransactions)
            {
                at++;
            }
            if (at < high && bounds[at]!.GreatestTime < from)
            {
                low = at;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }

    /// <summary>A segment's losses, each drop of a database with the time of its commit, which comes after it; without those that were rolled back.</summary>
    async Task<IEnumerable<RelationLoss>> LossesAsync(int index, Moments moments, CancellationToken cancellationToken)
    {
        var losses = new List<RelationLoss>();
        foreach (var loss in moments.Losses)
        {
            if (loss.Kind != LossKind.DatabaseDropped)
            {
                losses.Add(loss);
            }
            else if (loss.Xid == 0)
            {
                // Only a move removes the old directory when its transaction has been committed.
                losses.Add(loss with { Kind = LossKind.DatabaseMoved });
            }
            else if (await FindEndAsync(loss, index, cancellationToken) is { } end)
            {
                losses.AddRange(end.IsCommit ? [loss with { Time = end.Time }] : []);
            }
            else
            {
                losses.Add(loss);
            }
        }
        return losses;
    }

    async Task<(TimestampTz? Time, bool IsCommit)?> FindEndAsync(RelationLoss loss, int index, CancellationToken cancellationToken)
    {
        var finder = new StopFinder(RecoveryTarget.AtXid(loss.Xid), loss.Position, loss.Position);
        for (var i = index; i < _route.Count && i <= index + MaxLookAhead && finder.Stop is null; i++)
        {
            await _route.WalkAsync(i, new StopVisitor(finder), cancellationToken);
        }
        return finder.Stop is { } stop ? (stop.Time, finder.LastCommit?.Xid == loss.Xid) : null;
    }

    /// <summary>What a transaction drops it may have replaced by files that it has made in earlier segments.</summary>
    async Task RefineAsync(Gathering found, int index, CancellationToken cancellationToken)
    {
        for (var i = 0; i < found.Losses.Count; i++)
        {
            if (found.Losses[i] is { Kind: LossKind.Dropped } loss && loss.Position >= _route.StartOf(index) && await HasMadeFilesAsync(loss.Xid, index - 1, cancellationToken))
            {
                found.Losses[i] = loss with { Kind = LossKind.Replaced };
            }
        }
    }

    async Task<bool> HasMadeFilesAsync(uint xid, int last, CancellationToken cancellationToken)
    {
        var end = Math.Max(0, last - MaxLookBack);
        Lsn? begin = null;
        for (var i = last; i >= end && (begin is null || _route.EndOf(i) > begin); i--)
        {
            if (!_read.ContainsKey(i) && await _route.TryGetBoundsAsync(i, cancellationToken) is null)
            {
                return false;
            }
            var (moments, _) = await ReadAsync(i, cancellationToken);
            if (moments.Creators.Contains(xid))
            {
                return true;
            }
            // Before a checkpoint at which its number had not been given, the transaction had not begun.
            foreach (var checkpoint in moments.Checkpoints)
            {
                begin ??= (int)(xid - (uint)checkpoint.NextXid) >= 0 ? checkpoint.Redo : null;
            }
        }
        return false;
    }

    async Task<(Moments Moments, MomentBounds Bounds)> ReadAsync(int index, CancellationToken cancellationToken) =>
        _read.TryGetValue(index, out var known) ? known : _read[index] = await _route.GetAsync(index, cancellationToken);

    sealed class Gathering
    {
        readonly List<CommitMoment> _commits = [];
        readonly List<RestorePoint> _points = [];
        readonly List<CheckpointMoment> _checkpoints = [];
        readonly List<TimelineSwitch> _switches = [];
        long _commitCount;

        public List<RelationLoss> Losses { get; } = [];

        public void Add((Moments Moments, MomentBounds Bounds) segment, Func<TimestampTz, bool> isWanted)
        {
            var (moments, bounds) = segment;
            _commitCount += bounds.Commits;
            _commits.AddRange(moments.Commits.Where(c => isWanted(c.Time)));
            _points.AddRange(moments.RestorePoints.Where(p => isWanted(p.Time)));
            _checkpoints.AddRange(moments.Checkpoints.Where(c => isWanted(c.Time)));
            _switches.AddRange(moments.Switches.Where(s => isWanted(s.Time)));
        }

        public RecoveryMoments ToMoments(Lsn from, int unread) => new(
            _commits, _commitCount, [.. _points.Where(p => p.Position >= from).OrderBy(static p => p.Position)], _checkpoints, [.. _switches.OrderBy(static s => s.Position)], Losses, unread);
    }
}
