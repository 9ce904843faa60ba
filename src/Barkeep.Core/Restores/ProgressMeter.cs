using System.Diagnostics;

namespace Barkeep.Restores;

/// <summary>Counts bytes and reports a few times a second. Safe for several threads.</summary>
sealed class ProgressMeter(IProgress<RestoreProgress>? progress, long totalBytes)
{
    const long MillisecondsBetween = 200;

    readonly Stopwatch _clock = Stopwatch.StartNew();
    volatile RestoreStep _step;
    long _done;
    long _reportedAt;

    /// <summary>Bytes so far.</summary>
    public long Done => Interlocked.Read(ref _done);

    public void Begin(RestoreStep step)
    {
        _step = step;
        Report();
    }

    public void Add(long bytes)
    {
        Interlocked.Add(ref _done, bytes);
        var now = _clock.ElapsedMilliseconds;
        var last = Interlocked.Read(ref _reportedAt);
        if (now - last >= MillisecondsBetween && Interlocked.CompareExchange(ref _reportedAt, now, last) == last)
        {
            Report();
        }
    }

    void Report()
    {
        var done = Done;
        var seconds = _clock.Elapsed.TotalSeconds;
        var rate = seconds > 0 ? done / seconds : 0;
        TimeSpan? left = rate > 0 ? TimeSpan.FromSeconds(Math.Max(0, totalBytes - done) / rate) : null;
        progress?.Report(new(_step, done, totalBytes, rate, left));
    }
}
