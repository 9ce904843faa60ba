using System.Numerics;
using System.Runtime.InteropServices;

namespace Barkeep.Common;

/// <summary>
/// CRC-32C (Castagnoli, reflected 0x82F63B78), the checksum of PostgreSQL's WAL records and control file.
/// Uses the processor's CRC instruction on x64 and Arm64 and a table elsewhere.
/// </summary>
public static class Crc32C
{
    const uint Polynomial = 0x82F63B78;

    // The CRC instruction takes one word a cycle but answers after three: three lanes side by side keep it busy.
    const int LongLane = 1360;
    const int ShortLane = 168;

    static readonly uint[] LongShift = ShiftTable(LongLane);
    static readonly uint[] ShortShift = ShiftTable(ShortLane);

    /// <summary>The CRC of some bytes followed by <paramref name="data"/>, from the CRC of the former; that of no bytes is 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data) => ~AppendRaw(~crc, data);

    /// <summary>The CRC of the bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>
    /// What a CRC changes by (exclusive or) when the last bytes under it change by <paramref name="difference"/> (exclusive or).
    /// </summary>
    public static uint Difference(ReadOnlySpan<byte> difference) => AppendRaw(0, difference);

    static uint AppendRaw(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 3 * LongLane)
        {
            crc = ThreeLanes(crc, data, LongLane, LongShift);
            data = data[(3 * LongLane)..];
        }
        while (data.Length >= 3 * ShortLane)
        {
            crc = ThreeLanes(crc, data, ShortLane, ShortShift);
            data = data[(3 * ShortLane)..];
        }
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }
        foreach (var value in data[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, value);
        }
        return crc;
    }

    static uint ThreeLanes(uint crc, ReadOnlySpan<byte> data, int lane, uint[] shift)
    {
        var first = MemoryMarshal.Cast<byte, ulong>(data[..lane]);
        var second = MemoryMarshal.Cast<byte, ulong>(data.Slice(lane, lane))[..first.Length];
        var third = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * lane, lane))[..first.Length];
        uint crcOfSecond = 0;
        uint crcOfThird = 0;
        for (var i = 0; i < first.Length; i++)
        {
            crc = BitOperations.Crc32C(crc, first[i]);
            crcOfSecond = BitOperations.Crc32C(crcOfSecond, second[i]);
            crcOfThird = BitOperations.Crc32C(crcOfThird, third[i]);
        }
        return Shift(shift, Shift(shift, crc) ^ crcOfSecond) ^ crcOfThird;
    }

    static uint Shift(uint[] table, uint crc) =>
        table[crc & 0xFF] ^ table[256 + ((crc >> 8) & 0xFF)] ^ table[512 + ((crc >> 16) & 0xFF)] ^ table[768 + (crc >> 24)];

    // Appending zero bytes is linear in the CRC's bits, so 4 x 256 entries hold the effect of any number of them.
    static uint[] ShiftTable(int zeros)
    {
        var bits = new uint[32];
        for (var bit = 0; bit < bits.Length; bit++)
        {
            var crc = 1u << bit;
            for (var i = 0; i < 8 * zeros; i++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * Polynomial);
            }
            bits[bit] = crc;
        }
        var table = new uint[4 * 256];
        for (var i = 0; i < table.Length; i++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                table[i] ^= ((uint)i >> bit & 1) * bits[(i / 256 * 8) + bit];
            }
        }
        return table;
    }
}
