namespace Barkeep.Wal;

/// <summary>Between what lie the moments of a stretch of WAL: enough to pass over it in a search.</summary>
public sealed record MomentBounds
{
    /// <summary>Where the first record that ends in it begins; invalid when none does.</summary>
    public Lsn FirstRecord { get; init; }

    /// <summary>Where the last record that ends in it begins.</summary>
    public Lsn LastRecord { get; init; }

    public long Commits { get; init; }

    public long Aborts { get; init; }

    /// <summary>The least time of a commit or abort. Without meaning when there was neither.</summary>
    public TimestampTz LeastTime { get; init; }

    /// <summary>The greatest. Times need not ascend.</summary>
    public TimestampTz GreatestTime { get; init; }

    /// <summary>The least xid, as an unsigned number, of a transaction that ended; 0 when that of one is not known.</summary>
    public uint LeastXid { get; init; }

    public uint GreatestXid { get; init; }

    /// <summary>In the order of the WAL.</summary>
    public CommitMoment? LastCommit { get; init; }

    /// <summary>How many there are, those that are not kept included.</summary>
    public long RestorePoints { get; init; }

    /// <inheritdoc cref="RestorePoints"/>
    public long Switches { get; init; }

    /// <inheritdoc cref="RestorePoints"/>
    public long Losses { get; init; }

    public bool HasTransactions => Commits + Aborts > 0;
}
