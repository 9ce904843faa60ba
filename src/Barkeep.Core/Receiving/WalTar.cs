using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Barkeep.Common;
using Barkeep.Wal;
using ZstdSharp;

namespace Barkeep.Receiving;

/// <summary>
/// The tar that Barman's clients send: WAL files, and the sums of their bytes in a file in the form of md5sum(1) or sha256sum(1). Nothing of it is believed.
/// </summary>
public static class WalTar
{
    const int MaxFiles = 64;
    const long MaxTotal = 2L << 30;
    const int MaxSumsLength = 1 << 16;

    // What does not compress becomes longer by less than an eighth.
    const int CompressionLoss = 8;
    const string Md5Sums = "MD5SUMS";
    const string Sha256Sums = "SHA256SUMS";

    /// <summary>Reads it to its end: all files in it, whole and as their sums say.</summary>
    /// <exception cref="BarkeepException">Damaged: cut off, too large, with another sum or without; BadWalName.</exception>
    public static async Task<IReadOnlyList<(WalFileName Name, byte[] Content)>> ReadAsync(Stream stream, SegmentSize size, CancellationToken cancellationToken)
    {
        var files = new Dictionary<string, byte[]>();
        var sums = new Dictionary<string, string>();
        var tar = new TarInput(stream);
        long total = 0;
        while (await ReadingAsync(() => tar.NextAsync(cancellationToken)) is { } member)
        {
            var isSums = member.Name is Md5Sums or Sha256Sums;
            var content = await ReadAsync(tar, member, isSums ? MaxSumsLength : size.Bytes + (size.Bytes / CompressionLoss), cancellationToken);
            if (isSums)
            {
                AddSums(content, sums);
            }
            else if (files.Count >= MaxFiles || (total += content.Length) > MaxTotal || !files.TryAdd(member.Name, content))
            {
                throw Bad($"{member.Name} is there twice, or too much comes with it");
            }
        }
        return [.. files.Select(f => (WalFileName.Parse(f.Key), Expand(f.Key, Checked(f.Key, f.Value, sums.GetValueOrDefault(f.Key)), size)))];
    }

    static async Task<byte[]> ReadAsync(TarInput tar, TarMember member, int limit, CancellationToken cancellationToken)
    {
        if (member.Kind != TarMember.File)
        {
            throw Bad($"{member.Name} is no regular file");
        }
        if (member.Length > limit)
        {
            throw Bad($"{member.Name} has {member.Length} bytes");
        }
        return await ReadingAsync(async () =>
        {
            var content = new byte[member.Length];
            await tar.ReadAsync(content, cancellationToken);
            return content;
        });
    }

    static async Task<T> ReadingAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            throw Bad("it is no tar, or was cut off or altered on its way", e);
        }
    }

    // <sum> *<name>: the star stands for "binary".
    static void AddSums(byte[] content, Dictionary<string, string> sums)
    {
        foreach (var line in Encoding.UTF8.GetString(content).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.Split(' ', 2) is not [var sum, [' ' or '*', .. var name]] || !sums.TryAdd(name, sum))
            {
                throw Bad("a line of its sums is not '<sum> *<file name>'");
            }
        }
    }

    static byte[] Checked(string name, byte[] content, string? sum)
    {
        if (sum is null)
        {
            throw Bad($"no sum comes with {name}");
        }
#pragma warning disable CA5351 // Against mishaps on the way, as Barman's clients have it; not against forgers.
        var found = Convert.ToHexStringLower(sum.Length == 2 * MD5.HashSizeInBytes ? MD5.HashData(content) : SHA256.HashData(content));
#pragma warning restore CA5351
        return found.Equals(sum, StringComparison.OrdinalIgnoreCase) ? content : throw Bad($"{name} has the sum {found} instead of {sum}");
    }

    // A client may have compressed it.
    static byte[] Expand(string name, byte[] content, SegmentSize size)
    {
        using var source = new MemoryStream(content);
        using Stream? expanding = content switch
        {
            [0x1F, 0x8B, ..] => new GZipStream(source, CompressionMode.Decompress),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => new DecompressionStream(source),
            _ => null,
        };
        if (expanding is null)
        {
            return content.Length <= size.Bytes ? content : throw Bad($"{name} has {content.Length} bytes");
        }
        var raw = new byte[size.Bytes];
        try
        {
            var length = expanding.ReadAtLeast(raw, raw.Length, throwOnEndOfStream: false);
            return expanding.ReadByte() < 0 ? raw[..length] : throw Bad($"{name} has more than {raw.Length} bytes, uncompressed");
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException or EndOfStreamException)
        {
            throw Bad($"{name} cannot be uncompressed", e);
        }
    }

    static BarkeepException Bad(string what, Exception? inner = null) =>
        new(ErrorKind.Damaged, $"what was sent on stdin cannot be taken: {what}", "nothing of it is stored, and the server sends it again; put-wal takes what barman-wal-archive sends: a tar of WAL files and their MD5SUMS or SHA256SUMS", inner);
}
