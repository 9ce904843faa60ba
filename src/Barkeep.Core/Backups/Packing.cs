using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Where one backup's pages go: its packs, by the indexes that its manifest uses. Safe for several threads.</summary>
sealed class Packing(PackSeries packs)
{
    readonly Lock _lock = new();
    readonly List<string> _names = [];
    readonly Dictionary<string, int> _indexes = new(StringComparer.Ordinal);

    /// <summary>The packs' names, by index.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Appends a frame.</summary>
    /// <returns>The pack's index and the first page's ordinal.</returns>
    public async ValueTask<(int Pack, int Ordinal)> AppendAsync(ReadOnlyMemory<byte> stored, FrameEncoding encoding, ReadOnlyMemory<UInt128> pages, CancellationToken cancellationToken)
    {
        var place = await packs.AppendAsync(stored, encoding, pages, cancellationToken);
        lock (_lock)
        {
            if (!_indexes.TryGetValue(place.Pack, out var index))
            {
                index = _names.Count;
                _indexes.Add(place.Pack, index);
                _names.Add(place.Pack);
            }
            return (index, place.Ordinal);
        }
    }
}
