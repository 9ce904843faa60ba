namespace Barkeep.Backups;

/// <summary>Counts what readers have read and tells the user now and then. Safe for several threads.</summary>
/// <param name="about">What every report says.</param>
sealed class CopyCounter(BackupProgress about, TimeProvider time, IProgress<BackupProgress>? progress)
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    readonly long _startedAt = time.GetTimestamp();
    long _read;
    long _covered;
    long _reportedAt;

    /// <summary>Bytes that came from the server.</summary>
    public long BytesRead => Interlocked.Read(ref _read);

    public TimeSpan Elapsed => time.GetElapsedTime(_startedAt);

    /// <param name="read">Bytes that came.</param>
    /// <param name="covered">Bytes that were asked for.</param>
    public void Add(long read, long covered)
    {
        Interlocked.Add(ref _read, read);
        Interlocked.Add(ref _covered, covered);
        var now = time.GetTimestamp();
        var last = Interlocked.Read(ref _reportedAt);
        if (progress is not null && time.GetElapsedTime(last, now) >= Interval && Interlocked.CompareExchange(ref _reportedAt, now, last) == last)
        {
            Report();
        }
    }

    public void Report()
    {
        var seconds = Elapsed.TotalSeconds;
        progress?.Report(about with
        {
            BytesDone = Interlocked.Read(ref _covered),
            BytesPerSecond = seconds > 0 ? BytesRead / seconds : 0,
        });
    }
}
