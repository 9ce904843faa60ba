using System.Text;
using Barkeep.Common;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Common;

public sealed class Crc32CTests
{
    [Fact]
    public void Known_answers_of_RFC_3720_come_out()
    {
        var ascending = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();

        Assert.Equal(0u, Crc32C.Of([]));
        Assert.Equal(0xE3069283u, Crc32C.Of(Encoding.ASCII.GetBytes("123456789")));
        Assert.Equal(0x8A9136AAu, Crc32C.Of(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Of(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Of(ascending));
        Assert.Equal(0x113FDB5Cu, Crc32C.Of(ascending.Reverse().ToArray()));
    }

    [Fact]
    public void Any_bytes_in_any_two_parts_give_what_the_definition_gives() =>
        Gen.Select(Gen.Int[0, 10_000].SelectMany(n => Gen.Byte.Array[n]), Gen.Double[0, 1]).Sample(
            (bytes, where) =>
            {
                var cut = (int)(bytes.Length * where);
                return Crc32C.Append(Crc32C.Of(bytes.AsSpan(0, cut)), bytes.AsSpan(cut)) == BitByBit(bytes);
            },
            iter: 300, threads: 1);

    [Fact]
    public void The_difference_of_the_last_bytes_is_the_difference_of_the_CRCs() =>
        Gen.Select(Gen.Byte.Array[0, 100], Gen.Byte.Array[4], Gen.Byte.Array[4]).Sample(
            (front, end, difference) =>
            {
                var changed = end.Zip(difference, (a, b) => (byte)(a ^ b)).ToArray();
                var crc = Crc32C.Of(front);
                return (Crc32C.Append(crc, end) ^ Crc32C.Append(crc, changed)) == Crc32C.Difference(difference);
            },
            iter: 1000, threads: 1);

    static uint BitByBit(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }
        }
        return ~crc;
    }
}
