using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Barkeep.Common;
using Barkeep.Receiving;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>The tar that WAL comes in, from whomever.</summary>
public sealed class WalTarTests
{
    const string Segment = "000000010000000000000003";

    static readonly SegmentSize Size = new(1 << 20);
    static readonly byte[] Content = RandomNumberGenerator.GetBytes(Size.Bytes);

    static byte[] Pack(params IEnumerable<(string Name, TarEntryType Type, byte[] Content)> entries)
    {
        using var stream = new MemoryStream();
        using (var writer = new TarWriter(stream, leaveOpen: true))
        {
            foreach (var (name, type, content) in entries)
            {
                var entry = new PaxTarEntry(type, name);
                if (type == TarEntryType.RegularFile)
                {
                    entry.DataStream = new MemoryStream(content);
                }
                else
                {
                    entry.LinkName = "elsewhere";
                }
                writer.WriteEntry(entry);
            }
        }
        return stream.ToArray();
    }

    static byte[] WithSum(string name, byte[] content) =>
        Pack((name, TarEntryType.RegularFile, content), ("SHA256SUMS", TarEntryType.RegularFile, Encoding.UTF8.GetBytes($"{Convert.ToHexStringLower(SHA256.HashData(content))} *{name}\n")));

    static Task<IReadOnlyList<(WalFileName Name, byte[] Content)>> ReadAsync(byte[] tar) => WalTar.ReadAsync(new MemoryStream(tar), Size, default);

    [Fact]
    public async Task A_segment_comes_as_it_was_sent_compressed_or_not()
    {
        using var compressed = new MemoryStream();
        await using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await gzip.WriteAsync(Content);
        }
        foreach (var sent in (byte[][])[Content, compressed.ToArray()])
        {
            var (name, content) = Assert.Single(await ReadAsync(WithSum(Segment, sent)));
            Assert.Equal(Segment, name.Text);
            Assert.Equal(Content, content);
        }
    }

    [Fact]
    public async Task Whatever_is_wrong_with_it_is_refused()
    {
        byte[] sums = [.. Encoding.UTF8.GetBytes($"{Convert.ToHexStringLower(SHA256.HashData(Content))} *{Segment}\n")];
        using var bomb = new MemoryStream();
        await using (var gzip = new GZipStream(bomb, CompressionLevel.Optimal, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[64 << 20]);
        }
        (byte[] Tar, ErrorKind Kind)[] bad =
        [
            (Pack((Segment, TarEntryType.RegularFile, Content)), ErrorKind.Damaged),
            (Pack((Segment, TarEntryType.RegularFile, Content), ("SHA256SUMS", TarEntryType.RegularFile, "00 *x\n"u8.ToArray())), ErrorKind.Damaged),
            (Pack((Segment, TarEntryType.RegularFile, Content[1..]), ("SHA256SUMS", TarEntryType.RegularFile, sums)), ErrorKind.Damaged),
            (Pack((Segment, TarEntryType.SymbolicLink, []), ("SHA256SUMS", TarEntryType.RegularFile, sums)), ErrorKind.Damaged),
            (Pack((Segment, TarEntryType.RegularFile, Content), (Segment, TarEntryType.RegularFile, Content), ("SHA256SUMS", TarEntryType.RegularFile, sums)), ErrorKind.Damaged),
            (WithSum(Segment, [.. Content, 1]), ErrorKind.Damaged),
            (WithSum(Segment, bomb.ToArray()), ErrorKind.Damaged),
            (WithSum("../" + Segment, Content), ErrorKind.BadWalName),
            (WithSum("/etc/passwd", Content), ErrorKind.BadWalName),
            (WithSum("nonsense", Content), ErrorKind.BadWalName),
        ];
        foreach (var (tar, kind) in bad)
        {
            Assert.Equal(kind, (await Assert.ThrowsAsync<BarkeepException>(() => ReadAsync(tar))).Kind);
        }
    }

    [Theory]
    [InlineData(20)]
    [InlineData(5000)]
    public async Task What_is_no_tar_is_called_so_in_our_words(int length)
    {
        var junk = Encoding.ASCII.GetBytes(new string('j', length));
        var refused = await Assert.ThrowsAsync<BarkeepException>(() => ReadAsync(junk));
        Assert.Equal("what was sent on stdin cannot be taken: it is no tar, or was cut off or altered on its way", refused.Message);
        Assert.Contains("barman-wal-archive", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Cut_off_or_changed_anywhere_it_is_refused_or_the_same()
    {
        byte[] small = [.. Encoding.UTF8.GetBytes("1\t0/3000000\tno recovery target specified\n")];
        var tar = WithSum("00000002.history", small);
        Gen.Select(Gen.Int[0, tar.Length - 1], Gen.Int[1, 255], Gen.Bool).Sample((at, change, cut) =>
        {
            byte[] harmed = cut ? tar[..at] : [.. tar[..at], (byte)(tar[at] ^ change), .. tar[(at + 1)..]];
            try
            {
                var files = ReadAsync(harmed).GetAwaiter().GetResult();
                return files.All(f => f.Content.AsSpan().SequenceEqual(small));
            }
            catch (BarkeepException e)
            {
                return e.Kind is ErrorKind.Damaged or ErrorKind.BadWalName;
            }
        }, iter: 2000);
    }
}
