using System.Text;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Packs;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Repo;

/// <summary>
/// A repository with one object of each kind and every form that bytes take in them: two backups and a failed one, packs with
/// compressed and plain frames, a segment, a partial one, a history, a gap. What is in it is known, so that it can be compared.
/// </summary>
sealed class SmallRepository : IDisposable
{
    public static readonly ClusterIdentity Identity = new(7211029384756102938, 15, new(1 << 20));
    public static readonly DateTimeOffset Clock = new(2026, 11, 23, 13, 12, 51, TimeSpan.Zero);
    public static readonly SegmentName Segment = new(new(1), 0, 2);
    public static readonly SegmentName LastSegment = new(new(1), 0, 3);
    public static readonly byte[] History = "1\t0/3000100\tno recovery target specified\n"u8.ToArray();
    public static readonly Gap MissingWal = new(new(2), new(0x5000000), new(0x5300000), "the server has removed it", Clock);

    public SmallRepository() => Directory = RigRoot.NewDirectory("repository");

    public string Directory { get; }

    public static BackupId First { get; } = Id("20261123T131251");

    public static BackupId Second { get; } = Id("20261123T131252");

    public static BackupId Third { get; } = Id("20261123T131253");

    /// <summary>The content of each file of the first backup.</summary>
    public static IReadOnlyDictionary<string, byte[]> Files { get; } = new Dictionary<string, byte[]>
    {
        ["base/1/112"] = Pages("relation", 5),
        ["base/1/1249"] = [.. Pages("sparse", 1), .. new byte[3 * Page.Size], .. Pages("end", 1)],
        ["base/1/9"] = new byte[2 * Page.Size],
        ["base/1/PG_VERSION"] = "15\n"u8.ToArray(),
        ["base/1/empty"] = [],
        ["global/pg_control"] = Noise(1, Page.Size),
        ["global/pg_filenode.map"] = Noise(2, 512),
    };

    public static byte[] SegmentBytes { get; } = [.. Noise(3, 300), .. new byte[(1 << 20) - 300]];

    public static byte[] PartialBytes { get; } = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("partial ", 20_000)));

    public static async Task<SmallRepository> CreateAsync()
    {
        var small = new SmallRepository();
        var repository = await Repository.OpenAsync(small.Directory, default);
        var lineage = await repository.AdoptAsync(Identity, acceptNew: false, Clock, default);
        await lineage.Wal.PutSegmentAsync(Segment, new MemoryStream(SegmentBytes), default);
        await lineage.Wal.PutPartialAsync(LastSegment, new MemoryStream(PartialBytes), PartialBytes.Length, default);
        await lineage.Wal.PutHistoryAsync(new(2), History, default);
        await lineage.Wal.RecordGapAsync(MissingWal, default);

        var manifest = await StoreAsync(lineage, First, Files);
        await lineage.Backups.CommitAsync(First, manifest, default);
        await lineage.Backups.CompleteAsync(First, Clock, default);

        // The second shares the first one's pack and adds to it, as backups do that read only what has changed.
        var second = await StoreAsync(lineage, Second, new Dictionary<string, byte[]> { ["base/1/112"] = Pages("changed", 2) });
        var changed = second.Entries.Single(e => e.Path == "base/1/112");
        var kept = manifest.Entries.Single(e => e.Path == "base/1/112");
        await lineage.Backups.CommitAsync(Second, second with
        {
            Packs = [.. manifest.Packs, .. second.Packs],
            Entries =
            [
                .. manifest.Entries.Where(e => e.Path != "base/1/112").Append(kept with
                {
                    Runs = [new(2, manifest.Packs.Count, changed.Runs[0].Ordinal), kept.Runs[0] with { Count = 3, Ordinal = kept.Runs[0].Ordinal + 2 }],
                }).OrderBy(e => e.Path, StringComparer.Ordinal),
            ],
        }, default);

        await lineage.Backups.StartAsync(Third, Clock, "0.1.0", default);
        await lineage.Backups.FailAsync(Third, "the connection broke", ErrorKind.ConnectionLost, Clock, default);
        return small;
    }

    /// <summary>The same without the first backup, and of its pack only what the second needs.</summary>
    public static async Task<SmallRepository> CreateCollectedAsync()
    {
        var small = await CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var manifest = await lineage.Backups.ReadManifestAsync(Second, default);
        await lineage.Backups.RemoveAsync(First, default);
        var packs = await lineage.Packs.ListAsync(default);
        var first = packs.Single(p => p.Owner == First.ToString());
        await lineage.Packs.RewriteAsync(first, NeededOf(manifest, first.Name), static () => new(), default);
        await lineage.Packs.DeleteAsync(first, default);
        return small;
    }

    /// <summary>The pages of a pack that a manifest refers to.</summary>
    public static PageSet NeededOf(Manifest manifest, string pack)
    {
        var needed = new PageSet();
        foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(r => !r.IsZeros && manifest.Packs[r.Pack] == pack))
        {
            needed.Add(run.Ordinal, run.Count);
        }
        return needed;
    }

    /// <summary>Reads every object, so that anything wrong in any of them shows as an exception.</summary>
    public static async Task ReadAllAsync(string directory)
    {
        var lineage = (await Repository.OpenAsync(directory, default)).Lineages.Single();
        Assert.Equal(Identity, lineage.Identity);
        foreach (var backup in await lineage.Backups.ListAsync(default))
        {
            if (backup.State == BackupState.Damaged)
            {
                throw new BarkeepException(ErrorKind.Damaged, backup.Failure!);
            }
            if (backup.Info is not null)
            {
                await lineage.Backups.ReadManifestAsync(backup.Id, default);
            }
        }
        await ReadPacksAsync(lineage);
        await lineage.Wal.CopySegmentAsync(Segment, partial: false, Stream.Null, default);
        await lineage.Wal.CopySegmentAsync(LastSegment, partial: true, Stream.Null, default);
        foreach (var timeline in await lineage.Wal.ListHistoriesAsync(default))
        {
            await lineage.Wal.GetHistoryAsync(timeline, default);
        }
        await lineage.Wal.ListGapsAsync(default);
    }

    public static async Task ReadPacksAsync(Lineage lineage)
    {
        using var codec = new FrameCodec();
        byte[] stored = new byte[FrameCodec.MaxRawLength], raw = new byte[FrameCodec.MaxRawLength];
        foreach (var name in await lineage.Packs.ListAsync(default))
        {
            using var pack = (await lineage.Packs.TryOpenAsync(name, default))!;
            for (var i = 0; i < pack.Index.Frames.Count; i++)
            {
                var pages = await pack.ReadFrameAsync(i, codec, stored, raw, default);
                for (var page = 0; page < pack.Index.Frames[i].Pages; page++)
                {
                    Assert.Equal(pack.Index.HashAt(pack.Index.Frames[i].FirstPosition + page), FrameCodec.HashOf(pages.Span.Slice(page * Page.Size, Page.Size)));
                }
            }
        }
    }

    /// <summary>The bytes of a file, put together from its manifest's runs.</summary>
    public static async Task<byte[]> ContentAsync(Lineage lineage, Manifest manifest, string path)
    {
        var entry = manifest.Entries.Single(e => e.Path == path);
        var content = new byte[Page.CountFor(entry.Length) * Page.Size];
        using var codec = new FrameCodec();
        byte[] stored = new byte[FrameCodec.MaxRawLength], raw = new byte[FrameCodec.MaxRawLength];
        var at = 0;
        foreach (var run in entry.Runs)
        {
            for (var i = 0; i < run.Count; i++, at += Page.Size)
            {
                if (run.IsZeros)
                {
                    continue;
                }
                using var pack = await lineage.Packs.OpenAsync(manifest.Packs[run.Pack], default);
                var position = pack.Index.PositionOf(run.Ordinal + i);
                var frame = pack.Index.FrameAt(position);
                var pages = await pack.ReadFrameAsync(frame, codec, stored, raw, default);
                pages.Slice((position - pack.Index.Frames[frame].FirstPosition) * Page.Size, Page.Size).CopyTo(content.AsMemory(at));
            }
        }
        return content[..(int)entry.Length];
    }

    public static BackupInfo Info(BackupId id) => new()
    {
        BackupId = id.ToString(),
        Server = "montagu",
        SystemId = Identity.SystemId.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ServerVersion = 150018,
        DataDirectory = "/var/lib/postgresql/data",
        SegmentSize = Identity.SegmentSize.Bytes,
        RelationSegmentBlocks = 131072,
        Timeline = 1,
        BeginLsnText = "0/200028",
        EndLsnText = "0/200138",
        BeginTime = Clock,
        EndTime = Clock.AddSeconds(7),
        CopySeconds = 6.5,
        Jobs = 2,
        DataChecksums = true,
        GroupAccess = false,
        ClusterSize = Files.Values.Sum(f => f.Length),
        ReadBytes = 100_000,
        StoredBytes = 20_000,
        FileCount = Files.Count,
        Tablespaces = [new(16390, "fast \"disk\"", "/mnt/fast")],
        DamagedPages = [new("base/1/112", 3, "montagu.public.t")],
        DamagedPageCount = 1,
        Settings = new Dictionary<string, string> { ["max_connections"] = "40" },
        Program = "0.1.0",
    };

    public void Dispose() => RigRoot.Remove(Directory);

    static async Task<Manifest> StoreAsync(Lineage lineage, BackupId id, IReadOnlyDictionary<string, byte[]> files)
    {
        Assert.True(await lineage.Backups.StartAsync(id, Clock, "0.1.0", default));
        using var packs = lineage.Packs.Begin(id);
        using var codec = new FrameCodec();
        var names = new List<string>();
        var entries = new List<ManifestEntry> { ManifestEntry.Directory("base"), ManifestEntry.Directory("base/1"), ManifestEntry.Directory("global") };
        foreach (var (path, content) in files)
        {
            entries.Add((await StoredPages.StoreAsync(path, content, packs, codec, names)) with { ModifiedAt = Clock.ToUnixTimeSeconds() });
        }
        await packs.FinishAsync(default);
        entries.Add(ManifestEntry.Inline("backup_label", "START WAL LOCATION: 0/200028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/200060\n"u8.ToArray()));
        entries.Add(ManifestEntry.External("/etc/postgresql/15/main/pg_hba.conf", "local all all peer\n"u8.ToArray()));
        entries.Sort((a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        return new() { Info = Info(id), Packs = names, Entries = entries };
    }

    static BackupId Id(string text) => BackupId.TryParse(text, out var id) ? id : throw new FormatException(text);

    static byte[] Pages(string text, int count)
    {
        var pages = new byte[count * Page.Size];
        for (var i = 0; i < count; i++)
        {
            Encoding.ASCII.GetBytes($"{text} {i}").CopyTo(pages, i * Page.Size);
        }
        return pages;
    }

    static byte[] Noise(int seed, int length)
    {
        // xorshift: the same on every machine and version.
        var bytes = new byte[length];
        var state = (uint)seed * 2654435761u | 1;
        for (var i = 0; i < length; i++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes[i] = (byte)state;
        }
        return bytes;
    }
}
