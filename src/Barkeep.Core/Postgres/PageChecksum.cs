using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Barkeep.Postgres;

/// <summary>
/// The checksum in the header of a relation file's page (checksum_impl.h): 32 sums side by side over the page's 32-bit
/// words, the stored checksum counting as zero, then folded together with the block's number.
/// </summary>
public static class PageChecksum
{
    const int Sums = 32;
    const uint Prime = 16777619;
    const int RoundsOfZero = 2;
    const uint FlagsOnly = 0xFFFF_0000;
    const int ChecksumWord = 2;

    static readonly uint[] Offsets =
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>The checksum that a page must bear, whatever it bears now.</summary>
    /// <param name="page">A whole page: 8192 bytes.</param>
    /// <param name="block">The page's number within its relation fork, counted over all the fork's files.</param>
    public static ushort Of(ReadOnlySpan<byte> page, uint block)
    {
        if (page.Length != DataPage.Size)
        {
            throw new ArgumentException($"a page has {DataPage.Size} bytes, not {page.Length}", nameof(page));
        }
        var words = MemoryMarshal.Cast<byte, uint>(page);
        var a = Vector256.Create(Offsets.AsSpan(0, 8));
        var b = Vector256.Create(Offsets.AsSpan(8, 8));
        var c = Vector256.Create(Offsets.AsSpan(16, 8));
        var d = Vector256.Create(Offsets.AsSpan(24, 8));
        // The first row holds the page's header, and in it the stored checksum.
        var mask = Vector256<uint>.AllBitsSet.WithElement(ChecksumWord, FlagsOnly);
        for (; words.Length >= Sums; words = words[Sums..])
        {
            a = Next(a, Vector256.Create(words) & mask);
            b = Next(b, Vector256.Create(words[8..]));
            c = Next(c, Vector256.Create(words[16..]));
            d = Next(d, Vector256.Create(words[24..]));
            mask = Vector256<uint>.AllBitsSet;
        }
        for (var i = 0; i < RoundsOfZero; i++)
        {
            a = Next(a, Vector256<uint>.Zero);
            b = Next(b, Vector256<uint>.Zero);
            c = Next(c, Vector256<uint>.Zero);
            d = Next(d, Vector256<uint>.Zero);
        }
        return (ushort)(((Fold(a ^ b ^ c ^ d) ^ block) % 65535) + 1);
    }

    static Vector256<uint> Next(Vector256<uint> sums, Vector256<uint> words)
    {
        var mixed = sums ^ words;
        return (mixed * Prime) ^ (mixed >>> 17);
    }

    static uint Fold(Vector256<uint> sums)
    {
        uint folded = 0;
        for (var i = 0; i < Vector256<uint>.Count; i++)
        {
            folded ^= sums[i];
        }
        return folded;
    }
}
