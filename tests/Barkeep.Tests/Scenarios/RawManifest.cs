using System.IO.Hashing;
using System.Text;
using ZstdSharp;

namespace Barkeep.Tests.Scenarios;

/// <summary>A manifest's bytes made by hand: with the right hash and a body that no writer of ours would make.</summary>
sealed class RawManifest
{
    readonly List<byte> _body = [];

    public RawManifest Number(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            _body.Add((byte)(value | 0x80));
        }
        _body.Add((byte)value);
        return this;
    }

    public RawManifest Bytes(params ReadOnlySpan<byte> bytes)
    {
        _body.AddRange(bytes);
        return this;
    }

    /// <summary>The head of an entry: kind, bytes shared with the path before, the rest.</summary>
    public RawManifest Entry(byte kind, ulong shared, string rest) => Entry(kind, shared, Encoding.UTF8.GetBytes(rest));

    public RawManifest Entry(byte kind, ulong shared, byte[] rest) => Bytes(kind).Number(shared).Number((ulong)rest.Length).Bytes(rest);

    /// <summary>Replaces the body of a committed manifest, and its hash.</summary>
    public async Task PutAsync(string path)
    {
        using var compressor = new Compressor();
        var bytes = await File.ReadAllBytesAsync(path);
        await SealAsync(path, bytes[..HeadLength(bytes)], compressor.Wrap(_body.ToArray()).ToArray());
    }

    /// <summary>Puts these bytes where the compressed body of a committed manifest is.</summary>
    public static async Task PutBodyAsync(string path, Func<byte[], byte[]> change)
    {
        const int HashLength = 16;
        var bytes = await File.ReadAllBytesAsync(path);
        await SealAsync(path, bytes[..HeadLength(bytes)], change(bytes[HeadLength(bytes)..^HashLength]));
    }

    static Task SealAsync(string path, byte[] head, byte[] body)
    {
        byte[] all = [.. head, .. body];
        return File.WriteAllBytesAsync(path, [.. all, .. XxHash128.Hash(all)]);
    }

    static int HeadLength(byte[] bytes)
    {
        var end = Array.IndexOf(bytes, (byte)'\n');
        return end + 1 + int.Parse(Encoding.ASCII.GetString(bytes, 0, end).Split(' ')[3], System.Globalization.CultureInfo.InvariantCulture);
    }
}
