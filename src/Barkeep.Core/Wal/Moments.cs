namespace Barkeep.Wal;

/// <summary>
/// What a person may want to go back to, or to before, in a stretch of WAL (docs/format.md, "Moments"): thinned commits, restore points,
/// checkpoints, timeline switches, and what came to an end. Its size is bounded, whatever the WAL holds: <see cref="Bounds"/> counts everything.
/// Not safe for use by several threads while it is added to.
/// </summary>
public sealed class Moments
{
    public const int MaxCommits = 1024;
    public const int MaxRestorePoints = 1024;
    public const int MaxCheckpoints = 256;
    public const int MaxSwitches = 64;
    public const int MaxLosses = 16_384;
    public const int MaxCreators = 1024;

    readonly List<CommitMoment> _commits = [];
    readonly List<RestorePoint> _restorePoints = [];
    readonly List<CheckpointMoment> _checkpoints = [];
    readonly List<TimelineSwitch> _switches = [];
    readonly List<RelationLoss> _losses = [];
    readonly HashSet<(LossKind, uint, uint, uint)> _lost = [];
    readonly HashSet<uint> _creators = [];

    Lsn _firstRecord;
    Lsn _lastRecord;
    long _commitCount;
    long _abortCount;
    TimestampTz _leastTime;
    TimestampTz _greatestTime;
    uint _leastXid;
    uint _greatestXid;
    CommitMoment? _lastCommit;
    long _restorePointCount;
    long _switchCount;
    long _lossCount;
    long _interval = 1_000_000;

    /// <summary>Commits in order, the first of each second, or of each longer interval when there are more than are kept.</summary>
    public IReadOnlyList<CommitMoment> Commits => _commits;

    /// <summary>In order; those beyond <see cref="MaxRestorePoints"/> are only counted.</summary>
    public IReadOnlyList<RestorePoint> RestorePoints => _restorePoints;

    /// <summary>In order; the first <see cref="MaxCheckpoints"/>.</summary>
    public IReadOnlyList<CheckpointMoment> Checkpoints => _checkpoints;

    /// <summary>In order; the first <see cref="MaxSwitches"/>.</summary>
    public IReadOnlyList<TimelineSwitch> Switches => _switches;

    /// <summary>In order, of each relation and each kind the first; those beyond <see cref="MaxLosses"/> are only counted.</summary>
    public IReadOnlyList<RelationLoss> Losses => _losses;

    /// <summary>Transactions, subtransactions too, that have made files of relations: what drops a file besides may have replaced it. The first <see cref="MaxCreators"/>.</summary>
    public IReadOnlyCollection<uint> Creators => _creators;

    public MomentBounds Bounds => new()
    {
        FirstRecord = _firstRecord,
        LastRecord = _lastRecord,
        Commits = _commitCount,
        Aborts = _abortCount,
        LeastTime = _leastTime,
        GreatestTime = _greatestTime,
        LeastXid = _leastXid,
        GreatestXid = _greatestXid,
        LastCommit = _lastCommit,
        RestorePoints = _restorePointCount,
        Switches = _switchCount,
        Losses = _lossCount,
    };

    /// <summary>Of the last transaction's end; null when there is none.</summary>
    internal TimestampTz? LastTime { get; private set; }

    /// <summary>Whether the first record of a loss is among them.</summary>
    internal bool Knows(in RelationLoss loss) => _lost.Contains(KeyOf(loss));

    /// <summary>A record, of whatever kind, has ended.</summary>
    internal void Pass(Lsn start)
    {
        if (_lastRecord == Lsn.Invalid)
        {
            _firstRecord = start;
        }
        _lastRecord = start;
    }

    internal void Add(in TransactionEnd end, Lsn start, Lsn recordEnd)
    {
        var isFirst = _commitCount + _abortCount == 0;
        _leastTime = isFirst ? end.Time : TimestampTz.Min(_leastTime, end.Time);
        _greatestTime = isFirst ? end.Time : TimestampTz.Max(_greatestTime, end.Time);
        _leastXid = isFirst ? end.Xid : Math.Min(_leastXid, end.Xid);
        _greatestXid = isFirst ? end.Xid : Math.Max(_greatestXid, end.Xid);
        LastTime = end.Time;
        if (!end.IsCommit)
        {
            _abortCount++;
            return;
        }
        _commitCount++;
        var commit = new CommitMoment(start, recordEnd, end.Time, end.Xid);
        _lastCommit = commit;
        if (_commits.Count == 0 || IsApart(_commits[^1].Time, end.Time))
        {
            Add(commit);
        }
    }

    internal void Add(in CommitMoment commit)
    {
        if (_commits.Count == MaxCommits)
        {
            ThinOut();
            if (!IsApart(_commits[^1].Time, commit.Time))
            {
                return;
            }
        }
        _commits.Add(commit);
    }

    internal void Add(in RestorePoint point)
    {
        _restorePointCount++;
        AddUpTo(_restorePoints, point, MaxRestorePoints);
    }

    internal void Add(in CheckpointMoment checkpoint) => AddUpTo(_checkpoints, checkpoint, MaxCheckpoints);

    internal void Add(in TimelineSwitch change)
    {
        _switchCount++;
        AddUpTo(_switches, change, MaxSwitches);
    }

    internal void Add(in RelationLoss loss)
    {
        if (Knows(loss))
        {
            return;
        }
        _lossCount++;
        if (_losses.Count < MaxLosses)
        {
            _losses.Add(loss);
            _lost.Add(KeyOf(loss));
        }
    }

    internal void AddCreator(uint xid)
    {
        if (_creators.Count < MaxCreators)
        {
            _creators.Add(xid);
        }
    }

    // Longer intervals until at most half are left; times that do not ascend are as good as apart.
    void ThinOut()
    {
        while (_commits.Count > MaxCommits / 2)
        {
            _interval *= 2;
            var kept = 1;
            for (var i = 1; i < _commits.Count; i++)
            {
                if (_interval > MaxInterval ? i % 2 == 0 : IsApart(_commits[kept - 1].Time, _commits[i].Time))
                {
                    _commits[kept++] = _commits[i];
                }
            }
            _commits.RemoveRange(kept, _commits.Count - kept);
        }
    }

    const long MaxInterval = 1L << 50;

    bool IsApart(TimestampTz last, TimestampTz next) => next.Microseconds / _interval != last.Microseconds / _interval;

    static void AddUpTo<T>(List<T> list, in T item, int most)
    {
        if (list.Count < most)
        {
            list.Add(item);
        }
    }

    static (LossKind, uint, uint, uint) KeyOf(in RelationLoss loss) => (loss.Kind, loss.Tablespace, loss.Database, loss.Relation);
}
