namespace Barkeep.Wal;

/// <summary>The setting wal_level (xlog.h, WalLevel).</summary>
public enum WalLevel
{
    Minimal = 0,
    Replica = 1,
    Logical = 2,
}
