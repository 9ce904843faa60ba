namespace Barkeep.Wal;

/// <summary>Why a walk over WAL ended before its bytes did.</summary>
/// <param name="Position">Where the page or the record begins that cannot be right.</param>
/// <param name="What">What is wrong there, for a person to read.</param>
public readonly record struct WalDefect(Lsn Position, WalDefectKind Kind, string What)
{
    public override string ToString() => $"{What} at {Position}";
}
