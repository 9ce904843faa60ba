using Barkeep.Common;

namespace Barkeep.Storage;

/// <summary>Reads LEB128 numbers and counted bytes, each within a limit that the caller sets.</summary>
readonly struct VarintReader(string name, Stream stream)
{
    /// <exception cref="BarkeepException">Damaged: the bytes end here.</exception>
    public byte Byte()
    {
        var value = stream.ReadByte();
        return value >= 0 ? (byte)value : throw Record.Damaged(name, "it ends early");
    }

    /// <exception cref="BarkeepException">Damaged: malformed, or more than <paramref name="max"/>.</exception>
    public long Number(long max)
    {
        var value = Number64();
        return value <= (ulong)Math.Max(max, 0) && max >= 0 ? (long)value : throw Record.Damaged(name, $"the number {value} is out of range");
    }

    /// <exception cref="BarkeepException">Damaged: malformed.</exception>
    public ulong Number64()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Byte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
        throw Record.Damaged(name, "a number is malformed");
    }

    /// <exception cref="BarkeepException">Damaged: more than <paramref name="max"/>, or the bytes end early.</exception>
    public byte[] Bytes(int max)
    {
        var bytes = new byte[Number(max)];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
