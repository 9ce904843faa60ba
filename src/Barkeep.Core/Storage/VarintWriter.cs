namespace Barkeep.Storage;

/// <summary>Writes LEB128 numbers and counted bytes.</summary>
readonly struct VarintWriter(Stream stream)
{
    public void Byte(byte value) => stream.WriteByte(value);

    /// <param name="value">Not negative.</param>
    public void Number(long value)
    {
        var rest = (ulong)value;
        while (rest >= 0x80)
        {
            stream.WriteByte((byte)(rest | 0x80));
            rest >>= 7;
        }
        stream.WriteByte((byte)rest);
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        Number(bytes.Length);
        stream.Write(bytes);
    }
}
