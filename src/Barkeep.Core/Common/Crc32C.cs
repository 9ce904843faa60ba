using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using ArmCrc32 = System.Runtime.Intrinsics.Arm.Crc32;

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

    // Asked once for all bytes: ahead-of-time code would otherwise ask the processor again at every word.
    static uint AppendRaw(uint crc, ReadOnlySpan<byte> data) =>
        Sse42.X64.IsSupported ? AppendRaw<X64Step>(crc, data)
        : ArmCrc32.Arm64.IsSupported ? AppendRaw<Arm64Step>(crc, data)
        : AppendRaw<TableStep>(crc, data);

    static uint AppendRaw<TStep>(uint crc, ReadOnlySpan<byte> data)
        where TStep : IStep
    {
        while (data.Length >= 3 * LongLane)
        {
            crc = ThreeLanes<TStep>(crc, data, LongLane, LongShift);
            data = data[(3 * LongLane)..];
        }
        while (data.Length >= 3 * ShortLane)
        {
            crc = ThreeLanes<TStep>(crc, data, ShortLane, ShortShift);
            data = data[(3 * ShortLane)..];
        }
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words)
        {
            crc = TStep.Append(crc, word);
        }
        foreach (var value in data[(words.Length * sizeof(ulong))..])
        {
            crc = TStep.Append(crc, value);
        }
        return crc;
    }

    static uint ThreeLanes<TStep>(uint crc, ReadOnlySpan<byte> data, int lane, uint[] shift)
        where TStep : IStep
    {
        var first = MemoryMarshal.Cast<byte, ulong>(data[..lane]);
        var second = MemoryMarshal.Cast<byte, ulong>(data.Slice(lane, lane))[..first.Length];
        var third = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * lane, lane))[..first.Length];
        uint crcOfSecond = 0;
        uint crcOfThird = 0;
        for (var i = 0; i < first.Length; i++)
        {
            crc = TStep.Append(crc, first[i]);
            crcOfSecond = TStep.Append(crcOfSecond, second[i]);
            crcOfThird = TStep.Append(crcOfThird, third[i]);
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

    interface IStep
    {
        static abstract uint Append(uint crc, ulong word);

        static abstract uint Append(uint crc, byte value);
    }

    readonly struct X64Step : IStep
    {
        public static uint Append(uint crc, ulong word) => (uint)Sse42.X64.Crc32(crc, word);

        public static uint Append(uint crc, byte value) => Sse42.Crc32(crc, value);
    }

    readonly struct Arm64Step : IStep
    {
        public static uint Append(uint crc, ulong word) => ArmCrc32.Arm64.ComputeCrc32C(crc, word);

        public static uint Append(uint crc, byte value) => ArmCrc32.ComputeCrc32C(crc, value);
    }

    readonly struct TableStep : IStep
    {
        public static uint Append(uint crc, ulong word) => BitOperations.Crc32C(crc, word);

        public static uint Append(uint crc, byte value) => BitOperations.Crc32C(crc, value);
    }
}
