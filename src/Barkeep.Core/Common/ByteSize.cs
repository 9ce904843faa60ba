using System.Globalization;

namespace Barkeep.Common;

/// <summary>A number of bytes that prints itself as people read it: <c>22.8 MiB</c>, <c>0 B</c>.</summary>
public readonly record struct ByteSize(long Bytes)
{
    static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    public override string ToString()
    {
        var value = (double)Bytes;
        var unit = 0;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return unit == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{Bytes} B")
            : string.Create(CultureInfo.InvariantCulture, $"{value:0.0} {Units[unit]}");
    }
}
