namespace Barkeep.Receiving;

/// <summary>What became of comparing a held segment with the server's, where they do not differ.</summary>
public enum HeldAnswer
{
    /// <summary>Nothing is held of it that could be compared, or the server does not say now.</summary>
    Untold,

    /// <summary>The server has the same, as far as both go.</summary>
    Equal,

    /// <summary>The server has removed it.</summary>
    Removed,
}
