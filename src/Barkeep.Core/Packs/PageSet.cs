using System.Numerics;

namespace Barkeep.Packs;

/// <summary>Which pages of one pack are meant, by their ordinals: a bit for each, at most 32 KiB.</summary>
public sealed class PageSet
{
    const int Bits = 64;

    ulong[] _words = [];

    /// <summary>How many pages are in it.</summary>
    public int Count { get; private set; }

    /// <summary>Adds pages that follow one another; those that are in it already stay.</summary>
    public void Add(int first, int count)
    {
        var end = first + count;
        if (end > _words.Length * Bits)
        {
            Array.Resize(ref _words, Math.Max((end + Bits - 1) / Bits, Math.Min(_words.Length * 2, PackIndex.MaxPages / Bits)));
        }
        for (var at = first; at < end;)
        {
            var (word, bit) = (at / Bits, at % Bits);
            var length = Math.Min(Bits - bit, end - at);
            var mask = (length == Bits ? ulong.MaxValue : (1UL << length) - 1) << bit;
            Count += BitOperations.PopCount(mask & ~_words[word]);
            _words[word] |= mask;
            at += length;
        }
    }

    /// <summary>The pages in it as stretches, in ascending order.</summary>
    public IEnumerable<(int First, int Count)> Runs()
    {
        var end = _words.Length * Bits;
        for (var first = 0; first < end; first++)
        {
            var next = first;
            while (Contains(next))
            {
                next++;
            }
            if (next > first)
            {
                yield return (first, next - first);
                first = next;
            }
        }
    }

    /// <summary>Whether any of some pages that follow one another is in it.</summary>
    public bool ContainsAny(int first, int count) => Enumerable.Range(first, count).Any(Contains);

    public bool Contains(int ordinal) => ordinal / Bits < _words.Length && (_words[ordinal / Bits] >> (ordinal % Bits) & 1) != 0;
}
