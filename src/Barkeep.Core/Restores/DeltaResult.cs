namespace Barkeep.Restores;

/// <summary>What a delta restore was spared, and what not.</summary>
/// <param name="SkippedFiles">Files that were known to be as the last restore had left them, and were not read.</param>
/// <param name="ReadFiles">Files that were read and compared.</param>
/// <param name="PageBytes">Bytes of pages that differed or were missing, and were written.</param>
/// <param name="RemovedCount">Files, links and directories that did not belong and were removed.</param>
public sealed record DeltaResult(int SkippedFiles, long SkippedBytes, int ReadFiles, long ReadBytes, long PageBytes, int RemovedCount);
