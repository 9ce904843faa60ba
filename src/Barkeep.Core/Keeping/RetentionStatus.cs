namespace Barkeep.Keeping;

/// <summary>What the retention policy says of a backup.</summary>
public enum RetentionStatus
{
    /// <summary>Nothing: there is no policy, or it is not for this backup to be judged yet.</summary>
    None,

    /// <summary>The policy wants it.</summary>
    Valid,

    /// <summary>cron removes it.</summary>
    Obsolete,

    /// <summary>The policy does not want it, but it stays for safety.</summary>
    PotentiallyObsolete,

    /// <summary>It is kept until it is released, with all WAL from it on.</summary>
    KeptFull,

    /// <summary>It is kept until it is released, with its own WAL.</summary>
    KeptStandalone,
}
