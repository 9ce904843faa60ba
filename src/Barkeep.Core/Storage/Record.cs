using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Barkeep.Common;

namespace Barkeep.Storage;

/// <summary>
/// The form of small objects and of the head of larger ones: a line that names kind, version, length and hash,
/// then JSON (docs/format.md, "Records").
/// </summary>
public static class Record
{
    /// <summary>What to do about an object that is not what was put.</summary>
    internal const string WhenDamaged = DirectoryStore.WhenDamaged;

    /// <summary>No head line is longer, in bytes.</summary>
    public const int MaxHeadLength = 128;

    /// <summary>No payload is longer, in bytes: a reader allocates no more on a stranger's word.</summary>
    public const int MaxPayloadLength = 16 << 20;

    /// <summary>The record's bytes.</summary>
    public static byte[] Seal<T>(string kind, int version, T value, JsonTypeInfo<T> type)
    {
        byte[] payload = [.. JsonSerializer.SerializeToUtf8Bytes(value, type), (byte)'\n'];
        var head = $"barkeep {kind} {version} {payload.Length} {Convert.ToHexStringLower(XxHash128.Hash(payload))}\n";
        return [.. Encoding.ASCII.GetBytes(head), .. payload];
    }

    /// <summary>Reads a record that is the whole object.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Damaged.</exception>
    public static T Open<T>(string name, string kind, int version, ReadOnlySpan<byte> bytes, JsonTypeInfo<T> type)
    {
        var value = Open(name, kind, version, bytes, type, out var length);
        return length == bytes.Length ? value : throw Damaged(name, "bytes follow its record");
    }

    /// <summary>Reads a record at the beginning of <paramref name="bytes"/>.</summary>
    /// <param name="name">The object's name, for messages.</param>
    /// <param name="length">The record's whole length: what follows it begins there.</param>
    /// <exception cref="BarkeepException">NewerRepository, Damaged.</exception>
    public static T Open<T>(string name, string kind, int version, ReadOnlySpan<byte> bytes, JsonTypeInfo<T> type, out int length)
    {
        var head = ReadHead(name, kind, version, bytes);
        length = head.Length + head.PayloadLength;
        if (bytes.Length < length)
        {
            throw Damaged(name, "it is cut short");
        }
        var payload = bytes[head.Length..length];
        if (!XxHash128.Hash(payload).AsSpan().SequenceEqual(head.Hash))
        {
            throw Damaged(name, "its hash does not match");
        }
        try
        {
            return JsonSerializer.Deserialize(payload, type) ?? throw Damaged(name, "it is null");
        }
        catch (JsonException e)
        {
            throw Damaged(name, e.Message);
        }
    }

    /// <summary>The length of head and payload together, from the first <see cref="MaxHeadLength"/> bytes of an object.</summary>
    public static int LengthOf(string name, string kind, int version, ReadOnlySpan<byte> start)
    {
        var head = ReadHead(name, kind, version, start);
        return head.Length + head.PayloadLength;
    }

    /// <summary>The version of the record at the beginning of <paramref name="bytes"/>.</summary>
    public static int VersionOf(string name, string kind, int version, ReadOnlySpan<byte> bytes) => ReadHead(name, kind, version, bytes).Version;

    internal static BarkeepException Damaged(string name, string how) =>
        new(ErrorKind.Damaged, $"object {name} is damaged: {how}", WhenDamaged);

    static (int Version, int Length, int PayloadLength, byte[] Hash) ReadHead(string name, string kind, int version, ReadOnlySpan<byte> bytes)
    {
        var end = bytes[..Math.Min(bytes.Length, MaxHeadLength)].IndexOf((byte)'\n');
        if (end < 0)
        {
            throw Damaged(name, "it does not begin with a record");
        }
        var fields = Encoding.ASCII.GetString(bytes[..end]).Split(' ');
        if (fields.Length < 3 || fields[0] != "barkeep" || fields[1] != kind
            || !int.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var found) || found < 1)
        {
            throw Damaged(name, $"it is no {kind} record");
        }
        if (found > version)
        {
            throw new BarkeepException(ErrorKind.NewerRepository, $"object {name} has version {found}, and this program reads up to {version}", "use the newer barkeep that wrote it");
        }
        if (fields.Length != 5
            || !int.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length is < 1 or > MaxPayloadLength
            || fields[4].Length != 32 || fields[4].AsSpan().ContainsAnyExcept("0123456789abcdef"))
        {
            throw Damaged(name, "its first line is malformed");
        }
        return (found, end + 1, length, Convert.FromHexString(fields[4]));
    }
}
