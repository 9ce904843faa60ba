namespace Barkeep.Restores;

/// <summary>How far a restore has come.</summary>
/// <param name="Step">What it does now, for people: "WAL", "data files", "flushing".</param>
/// <param name="DoneBytes">Bytes written, WAL and data together.</param>
/// <param name="TotalBytes">Bytes to write.</param>
/// <param name="BytesPerSecond">Since the restore began.</param>
/// <param name="Left">At this rate; null while there is no rate.</param>
public readonly record struct RestoreProgress(string Step, long DoneBytes, long TotalBytes, double BytesPerSecond, TimeSpan? Left);
