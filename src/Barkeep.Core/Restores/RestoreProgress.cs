namespace Barkeep.Restores;

/// <summary>How far a restore has come.</summary>
/// <param name="DoneBytes">Bytes written, WAL and data together; while files are compared or WAL is checked, bytes read.</param>
/// <param name="TotalBytes">Bytes to write, or to read.</param>
/// <param name="BytesPerSecond">Since writing, or reading, began.</param>
/// <param name="Left">At this rate; null while there is no rate.</param>
public readonly record struct RestoreProgress(RestoreStep Step, long DoneBytes, long TotalBytes, double BytesPerSecond, TimeSpan? Left);
