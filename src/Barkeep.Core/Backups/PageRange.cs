namespace Barkeep.Backups;

/// <summary>Pages of a file that follow one another.</summary>
/// <param name="First">The first one's number in the file.</param>
/// <param name="End">Exclusive.</param>
public readonly record struct PageRange(int First, int End)
{
    public int Count => End - First;
}
