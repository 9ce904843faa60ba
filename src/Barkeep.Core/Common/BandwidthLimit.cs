namespace Barkeep.Common;

/// <summary>Keeps all that read together below a rate. Safe for several threads.</summary>
/// <param name="bytesPerSecond">0 is no limit.</param>
sealed class BandwidthLimit(long bytesPerSecond, TimeProvider time)
{
    readonly Lock _lock = new();
    long _freeAt = time.GetTimestamp();

    public bool IsLimited => bytesPerSecond > 0;

    /// <summary>Waits until these bytes may be read.</summary>
    public async ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        if (!IsLimited)
        {
            return;
        }
        TimeSpan wait;
        lock (_lock)
        {
            var now = time.GetTimestamp();
            _freeAt = Math.Max(_freeAt, now);
            wait = time.GetElapsedTime(now, _freeAt);
            _freeAt += (long)(bytes * (double)time.TimestampFrequency / bytesPerSecond);
        }
        if (wait > TimeSpan.FromMilliseconds(1))
        {
            await Task.Delay(wait, time, cancellationToken);
        }
    }
}
