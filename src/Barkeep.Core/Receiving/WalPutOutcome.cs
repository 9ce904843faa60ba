namespace Barkeep.Receiving;

/// <summary>What became of a WAL file that was handed over.</summary>
public enum WalPutOutcome
{
    /// <summary>It is in the repository.</summary>
    Stored,

    /// <summary>It was there already, with the same bytes.</summary>
    AlreadyThere,

    /// <summary>Nothing needs files of its kind.</summary>
    NotKept,
}
