namespace Barkeep.Received;

/// <summary>Where received WAL is.</summary>
public enum WalPlace
{
    /// <summary>A complete segment in the repository.</summary>
    Repository,

    /// <summary>The part of a segment that a timeline ended in, in the repository.</summary>
    Partial,

    /// <summary>The spool: a complete segment on its way, or the tail.</summary>
    Spool,
}
