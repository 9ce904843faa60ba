using System.Buffers.Binary;
using System.Text;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Restores;

/// <summary>
/// Restores of backups that are laid out in packs as no single backup would do it, but as years of backups that share pages
/// may. Needs no server: PostgreSQL would not start on what is restored.
/// </summary>
public sealed class PageLayoutTests
{
    const ulong SystemId = 4711;

    static readonly SegmentSize Size = new(1 << 20);
    static readonly ServerName Server = ServerName.Parse("montagu");

    // Frames of a pack by their pages; then for each file its stretches (pack or -1 for zeros, first page, count) and what its last page lacks.
    static readonly Gen<(int[][] Packs, (int Pack, int First, int Count)[][] Files, int[] Less, int Jobs)> Layouts = Gen.Select(
        Gen.Int[1, 128].Array[1, 5].Array[1, 3],
        Gen.Select(Gen.Int[-1, 2], Gen.Int[0, 600], Gen.Int[1, 300]).Array[0, 5].Array[1, 6],
        Gen.Int[0, Page.Size - 1].Array[6],
        Gen.Int[1, 4]);

    [Fact]
    public async Task Any_layout_of_pages_in_packs_is_restored_byte_for_byte() =>
        await Layouts.SampleAsync(
            async layout =>
            {
                using var home = new Scratch("home");
                var (locations, expected) = await BuildAsync(home.Path, layout.Packs, layout.Files, layout.Less, wrongHash: false);
                var target = Path.Combine(home.Path, "restored");
                var result = await RestoreJob.RunAsync(new() { Locations = locations, Server = Server, Target = target, Jobs = layout.Jobs }, null, default);
                foreach (var (path, content) in expected)
                {
                    var restored = await File.ReadAllBytesAsync(Path.Combine(target, path));
                    Assert.True(content.AsSpan().SequenceEqual(restored), $"{path}: {content.Length} bytes, restored {restored.Length}");
                }
                Assert.Empty(result.Warnings);
            },
            iter: 25, threads: 1);

    [Fact]
    public async Task Zeros_take_no_room()
    {
        using var home = new Scratch("home");
        var (locations, _) = await BuildAsync(home.Path, [[1]], [[(-1, 0, 100_000), (0, 0, 1)]], [0], wrongHash: false);
        var target = Path.Combine(home.Path, "restored");
        await RestoreJob.RunAsync(new() { Locations = locations, Server = Server, Target = target }, null, default);
        var status = (await Command.RunAsync("stat", "--format=%s %b", Path.Combine(target, "base/1/1000"))).Checked().Output.Split(' ');
        Assert.Equal($"{100_001L * Page.Size}", status[0]);
        Assert.InRange(int.Parse(status[1]), 1, 64);
    }

    [Fact]
    public async Task B6_a_page_that_is_not_the_one_its_pack_promised_is_not_written()
    {
        using var home = new Scratch("home");
        var (locations, _) = await BuildAsync(home.Path, [[3]], [[(0, 0, 3)]], [0], wrongHash: true);
        var target = Path.Combine(home.Path, "restored");
        var error = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(new() { Locations = locations, Server = Server, Target = target }, null, default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.DoesNotContain(File.ReadAllBytes(Path.Combine(target, "base/1/1000")), b => b != 0);
    }

    static async Task<(Locations Locations, Dictionary<string, byte[]> Expected)> BuildAsync(
        string home, int[][] packs, (int Pack, int First, int Count)[][] files, int[] less, bool wrongHash)
    {
        var locations = new Locations(Path.Combine(home, "home"), Path.Combine(home, "restore"), Path.Combine(home, "config"));
        var (lineage, begin, end) = await LineageAsync(locations, Server);

        var names = new List<string>();
        var pages = new List<byte[]>();
        using var codec = new FrameCodec();
        var id = SmallRepository.First;
        foreach (var frames in packs)
        {
            id = BackupId.Next(SmallRepository.Clock, id);
            names.Add($"{id}/0001");
            pages.Add(await PutPackAsync(lineage, id, frames, codec, names.Count, wrongHash));
        }
        var entries = CommonEntries(begin);
        var expected = new Dictionary<string, byte[]>();
        for (var i = 0; i < files.Length; i++)
        {
            var (entry, content) = FileOf($"base/1/{1000 + i}", files[i], less[i % less.Length], pages);
            entries.Add(entry);
            expected.Add(entry.Path, content);
        }
        entries.Sort((a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        var info = SmallRepository.Info(id) with { SystemId = $"{SystemId}", BeginLsnText = begin.ToString(), EndLsnText = end.ToString(), Tablespaces = [] };
        await lineage.Backups.CommitAsync(id, new() { Info = info, Packs = names, Entries = entries }, default);
        return (locations, expected);
    }

    /// <summary>A lineage with a segment of WAL, and where its records begin and end.</summary>
    internal static async Task<(Lineage Lineage, Lsn Begin, Lsn End)> LineageAsync(Locations locations, ServerName server)
    {
        var repository = await Repository.OpenAsync(locations.RepositoryDirectory(server), default);
        var lineage = await repository.AdoptAsync(new(SystemId, 15, Size), acceptNew: false, SmallRepository.Clock, default);
        var (begin, end) = await PutWalAsync(lineage);
        return (lineage, begin, end);
    }

    /// <summary>What every manifest must have.</summary>
    internal static List<ManifestEntry> CommonEntries(Lsn begin) =>
    [
        ManifestEntry.Directory("base"), ManifestEntry.Directory("base/1"), ManifestEntry.Directory("global"),
        ManifestEntry.Inline("backup_label", Encoding.ASCII.GetBytes($"START WAL LOCATION: {begin} (file {SegmentName.Containing(new(1), begin, Size)})\nCHECKPOINT LOCATION: {begin}\n")),
        ManifestEntry.Inline("global/pg_control", Control()),
        ManifestEntry.Inline("pg_hba.conf", [1]), ManifestEntry.Inline("pg_ident.conf", [2]), ManifestEntry.Inline("postgresql.conf", "port = 5432\n"u8.ToArray()),
    ];

    static (ManifestEntry Entry, byte[] Content) FileOf(string path, (int Pack, int First, int Count)[] stretches, int less, List<byte[]> pages)
    {
        var runs = new List<PageRun>();
        using var content = new MemoryStream();
        foreach (var (wanted, first, length) in stretches)
        {
            var pack = Math.Min(wanted, pages.Count - 1);
            if (pack < 0)
            {
                runs.Add(PageRun.Zeros(length));
                content.SetLength(content.Length + ((long)length * Page.Size));
                content.Position = content.Length;
                continue;
            }
            var total = pages[pack].Length / Page.Size;
            var ordinal = first % total;
            var count = Math.Min(length, total - ordinal);
            runs.Add(new(count, pack, ordinal));
            content.Write(pages[pack].AsSpan(ordinal * Page.Size, count * Page.Size));
        }
        var bytes = content.ToArray();
        bytes = bytes[..Math.Max(0, bytes.Length - less)];
        return (new() { Kind = ManifestEntryKind.File, Path = path, Length = bytes.Length, Runs = runs }, bytes);
    }

    internal static async Task<byte[]> PutPackAsync(Lineage lineage, BackupId id, int[] frames, FrameCodec codec, int seed, bool wrongHash)
    {
        var random = new Random(seed);
        using var all = new MemoryStream();
        using var series = lineage.Packs.Begin(id);
        foreach (var count in frames)
        {
            var frame = new byte[count * Page.Size];
            for (var page = 0; page < count; page++)
            {
                // Half a page of noise, half of the same.
                random.NextBytes(frame.AsSpan(page * Page.Size, Page.Size / 2));
            }
            all.Write(frame);
            var hashes = Enumerable.Range(0, count).Select(i => FrameCodec.HashOf(frame.AsSpan(i * Page.Size, Page.Size)) + (wrongHash && i == count - 1 ? 1u : 0u)).ToArray();
            await series.AppendAsync(codec.Encode(frame, out var encoding), encoding, hashes, default);
        }
        await series.FinishAsync(default);
        return all.ToArray();
    }

    static async Task<(Lsn Begin, Lsn End)> PutWalAsync(Lineage lineage)
    {
        const byte NoOperation = 0x20;
        var wal = new WrittenWal(Size, 2);
        var begin = wal.Add(ResourceManager.Xlog, NoOperation, new byte[16]);
        wal.Add(ResourceManager.Xlog, NoOperation, new byte[5000]);
        var last = wal.Add(ResourceManager.Xlog, NoOperation, new byte[16]);
        await lineage.Wal.PutSegmentAsync(SegmentName.Containing(new(1), begin, Size), new MemoryStream(wal.ToArray()), default);
        return (begin, last + RecordHeader.Size + 16);
    }

    // pg_control of PostgreSQL 15 as far as a restore reads it.
    static byte[] Control()
    {
        var control = new byte[ControlFile.FileSize];
        BinaryPrimitives.WriteUInt64LittleEndian(control, SystemId);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(8), 1300);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(228), (uint)Size.Bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(control.AsSpan(288), Crc32C.Of(control.AsSpan(0, 288)));
        return control;
    }
}
