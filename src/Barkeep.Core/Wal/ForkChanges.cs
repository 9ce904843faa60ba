using System.Numerics;

namespace Barkeep.Wal;

/// <summary>
/// Which blocks of one relation fork have changed: those in a set of bits, and all from <see cref="Limit"/> on. The bits lie in
/// chunks of 8192 blocks, each no longer than its highest block needs, so that 345 GiB take 6 MB when everything has changed,
/// and a small relation some 100 bytes.
/// </summary>
public sealed class ForkChanges
{
    /// <summary>The value of <see cref="Limit"/> when there is none: InvalidBlockNumber, which no block has (block.h).</summary>
    public const uint NoLimit = uint.MaxValue;

    const int ChunkShift = 13;
    const uint InChunk = (1 << ChunkShift) - 1;

    // Most forks have one chunk, and most blocks lie in the same as the one before: that chunk is here, all others there.
    Dictionary<uint, ulong[]>? _others;
    ulong[] _chunk = [];
    uint _number;

    /// <summary>From this block on everything has changed.</summary>
    public uint Limit { get; private set; } = NoLimit;

    /// <summary>How many chunks there are: a measure of the memory taken, about 1 KiB each at most.</summary>
    public int Chunks => (_others?.Count ?? 0) + (_chunk.Length > 0 ? 1 : 0);

    public void Add(uint block)
    {
        if (block >= Limit)
        {
            return;
        }
        var number = block >> ChunkShift;
        if (number != _number || _chunk.Length == 0)
        {
            MoveTo(number);
        }
        var word = (int)((block & InChunk) >> 6);
        if (word >= _chunk.Length)
        {
            Array.Resize(ref _chunk, (int)BitOperations.RoundUpToPowerOf2((uint)word + 1));
        }
        _chunk[word] |= 1UL << (int)(block & 63);
    }

    /// <summary>Everything from a block on has changed; a lower limit known already stays.</summary>
    public void AddFrom(uint limit)
    {
        Limit = Math.Min(Limit, limit);
        if (Limit == 0)
        {
            _others = null;
            _chunk = [];
        }
    }

    public void Merge(ForkChanges other)
    {
        AddFrom(other.Limit);
        if (Limit == 0)
        {
            return;
        }
        foreach (var (number, chunk) in other.AllChunks())
        {
            MoveTo(number);
            if (_chunk.Length < chunk.Length)
            {
                Array.Resize(ref _chunk, chunk.Length);
            }
            for (var i = 0; i < chunk.Length; i++)
            {
                _chunk[i] |= chunk[i];
            }
        }
    }

    /// <summary>The changed blocks below <see cref="Limit"/> that lie in a range, ascending.</summary>
    /// <param name="end">Exclusive.</param>
    public IEnumerable<uint> Blocks(uint first = 0, uint end = NoLimit)
    {
        end = Math.Min(end, Limit);
        foreach (var (number, chunk) in AllChunks().Where(c => c.Number >= first >> ChunkShift).OrderBy(static c => c.Number))
        {
            for (var word = 0; word < chunk.Length; word++)
            {
                for (var bits = chunk[word]; bits != 0; bits &= bits - 1)
                {
                    var block = (number << ChunkShift) + ((uint)word << 6) + (uint)BitOperations.TrailingZeroCount(bits);
                    if (block >= end)
                    {
                        yield break;
                    }
                    if (block >= first)
                    {
                        yield return block;
                    }
                }
            }
        }
    }

    void MoveTo(uint number)
    {
        if (number == _number)
        {
            return;
        }
        if (_chunk.Length > 0)
        {
            (_others ??= [])[_number] = _chunk;
        }
        _number = number;
        _chunk = _others is not null && _others.Remove(number, out var there) ? there : [];
    }

    IEnumerable<(uint Number, ulong[] Chunk)> AllChunks()
    {
        if (_chunk.Length > 0)
        {
            yield return (_number, _chunk);
        }
        foreach (var (number, chunk) in _others ?? [])
        {
            yield return (number, chunk);
        }
    }
}
