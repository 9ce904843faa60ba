namespace Barkeep.Wal;

/// <summary>A byte of WAL and what it is to be replaced with, in a copy made for a restore.</summary>
public readonly record struct WalPatch(Lsn Position, byte Value);
