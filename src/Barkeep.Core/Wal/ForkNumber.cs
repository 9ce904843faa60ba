namespace Barkeep.Wal;

/// <summary>One of the files, logically, that make up a relation (relpath.h, ForkNumber).</summary>
public enum ForkNumber : byte
{
    Main = 0,
    FreeSpaceMap = 1,
    VisibilityMap = 2,
    Init = 3,
}
