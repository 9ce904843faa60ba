namespace Barkeep.Restores;

/// <summary>How far a restore has come.</summary>
/// <param name="Step">What it does now: one of the names here.</param>
/// <param name="DoneBytes">Bytes written, WAL and data together; while files are compared or WAL is checked, bytes read.</param>
/// <param name="TotalBytes">Bytes to write, or to read.</param>
/// <param name="BytesPerSecond">Since writing, or reading, began.</param>
/// <param name="Left">At this rate; null while there is no rate.</param>
public readonly record struct RestoreProgress(string Step, long DoneBytes, long TotalBytes, double BytesPerSecond, TimeSpan? Left)
{
    public const string Checking = "checking";
    public const string Comparing = "comparing";
    public const string Wal = "WAL";
    public const string ArchiveStatus = "archive status";
    public const string DataFiles = "data files";
    public const string Settings = "settings";
    public const string Configuration = "configuration";
    public const string Flushing = "flushing";
}
