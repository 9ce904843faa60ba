namespace Barkeep.Packs;

/// <summary>A stretch of a file's pages.</summary>
/// <param name="Count">How many pages.</param>
/// <param name="Pack">Index into the manifest's packs; -1 when all pages are zeros.</param>
/// <param name="Ordinal">The first page's ordinal in the pack.</param>
public readonly record struct PageRun(int Count, int Pack, int Ordinal)
{
    public static PageRun Zeros(int count) => new(count, -1, 0);

    public bool IsZeros => Pack < 0;
}
