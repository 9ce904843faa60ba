namespace Barkeep.Restores;

/// <summary>What a delta restore finds in a directory that is not empty.</summary>
/// <param name="KeptFiles">Files that stay, and of which the pages that differ are written.</param>
/// <param name="KeptBytes">Their bytes now.</param>
/// <param name="RemovedCount">Files, links and directories that do not belong.</param>
/// <param name="Removed">The first of them.</param>
/// <param name="HasRecord">Whether files that were not touched since the last restore need not be read.</param>
public sealed record DeltaPlan(int KeptFiles, long KeptBytes, int RemovedCount, IReadOnlyList<string> Removed, bool HasRecord);
