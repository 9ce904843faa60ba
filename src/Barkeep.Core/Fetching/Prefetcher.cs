using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Fetching;

/// <summary>
/// Lays down the segments that follow the one that a recovering server has asked for last, a few of them, and takes away those that it has passed. Ends by
/// itself when nobody asks any more, and leaves nothing. It reports nothing: what it cannot fetch, the server's own command will fail to fetch, and say so.
/// </summary>
/// <param name="recovers">Whether the server still recovers.</param>
public sealed class Prefetcher(WalFetch fetch, PrefetchPlace place, SegmentSize size, int count, Func<bool> recovers, TimeProvider time)
{
    /// <summary>A server that pauses in its recovery asks for nothing meanwhile; the next time it does, another prefetcher starts.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    static readonly TimeSpan Aftertime = TimeSpan.FromSeconds(10);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    static readonly TimeSpan PauseAtEnd = TimeSpan.FromMilliseconds(500);

    /// <summary>Works until it is not needed any more; returns at once when another does the same.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var start = DutyLock.TryTake(place.StartLock);
        if (start is null)
        {
            return;
        }
        place.Keep(static _ => false);
        using var duty = DutyLock.TryTake(place.Lock);
        try
        {
            while (duty is not null && place.TryReadWish() is { } wish && !IsOver(time.GetUtcNow() - wish.At))
            {
                stop.ThrowIfCancellationRequested();
                var passed = wish.Name.Number(size);
                place.Keep(n => n.Timeline == wish.Name.Timeline && n.Number(size) > passed && n.Number(size) <= passed + (ulong)count);
                await Task.Delay(await FetchNextAsync(wish.Name, stop), time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to end.
        }
        finally
        {
            place.Clear();
        }
    }

    bool IsOver(TimeSpan idle) => idle > Patience || (idle > Aftertime && !recovers());

    /// <returns>How long to wait before the next look.</returns>
    async Task<TimeSpan> FetchNextAsync(SegmentName asked, CancellationToken stop)
    {
        var name = asked;
        for (var i = 0; i < count; i++)
        {
            name = name.Next(size);
            if (place.Has(name))
            {
                continue;
            }
            try
            {
                if (await fetch.TryGetCompleteAsync(name, stop) is not { } content)
                {
                    return PauseAtEnd;
                }
                place.Put(name, content);
                return TimeSpan.Zero;
            }
            catch (BarkeepException)
            {
                return PauseAtEnd;
            }
        }
        return Pause;
    }
}
