using Barkeep.Packs;

namespace Barkeep.Backups;

/// <summary>Where one backup's pages go: its own packs, and those of the earlier backup that it refers to, by number. Safe for several threads.</summary>
/// <param name="earlier">The packs that the earlier backup refers to: they have the numbers that they have there.</param>
/// <param name="newCodec">Makes the codec of each thread that stores.</param>
sealed class Packing(PackSeries packs, IReadOnlyList<string> earlier, Func<FrameCodec> newCodec)
{
    readonly Lock _lock = new();
    readonly List<string> _names = [.. earlier];
    readonly Dictionary<string, int> _own = new(StringComparer.Ordinal);

    /// <summary>The packs' names, by number.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>How many packs are the earlier backup's: numbers from this one on are this backup's own.</summary>
    public int EarlierCount => earlier.Count;

    public FrameEncoder NewEncoder() => new(newCodec());

    /// <summary>Appends a frame.</summary>
    /// <returns>The pack's number and the first page's ordinal.</returns>
    public async ValueTask<(int Pack, int Ordinal)> AppendAsync(ReadOnlyMemory<byte> stored, FrameEncoding encoding, ReadOnlyMemory<UInt128> pages, CancellationToken cancellationToken)
    {
        var place = await packs.AppendAsync(stored, encoding, pages, cancellationToken);
        lock (_lock)
        {
            if (!_own.TryGetValue(place.Pack, out var number))
            {
                number = _names.Count;
                _own.Add(place.Pack, number);
                _names.Add(place.Pack);
            }
            return (number, place.Ordinal);
        }
    }
}
