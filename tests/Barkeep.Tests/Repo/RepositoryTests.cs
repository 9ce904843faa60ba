using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Storage;
using Barkeep.Tests.Architecture;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Repo;

public sealed class RepositoryTests
{
    static readonly string Golden = Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Repo/golden/format-1");

    [Fact]
    public async Task A_partial_segment_that_cannot_be_replaced_stays_and_one_that_can_is_there_at_every_moment()
    {
        using var small = await SmallRepository.CreateAsync();
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        byte[] longer = [.. SmallRepository.PartialBytes, .. SmallRepository.PartialBytes];
        await Assert.ThrowsAsync<EndOfStreamException>(() => wal.ReplacePartialAsync(SmallRepository.LastSegment, new MemoryStream(longer, 0, longer.Length - 1), longer.Length, default));
        Assert.Equal(SmallRepository.PartialBytes, await PartialAsync());
        await wal.ReplacePartialAsync(SmallRepository.LastSegment, new MemoryStream(longer), longer.Length, default);
        Assert.Equal(longer, await PartialAsync());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(small.Directory, "tmp")));

        async Task<byte[]> PartialAsync()
        {
            using var content = new MemoryStream();
            await wal.CopySegmentAsync(SmallRepository.LastSegment, partial: true, content, default);
            return content.ToArray();
        }
    }

    [Fact]
    public async Task What_is_put_is_read_again()
    {
        using var small = await SmallRepository.CreateAsync();
        await CheckContentAsync(small.Directory);
    }

    [Fact]
    public async Task A_repository_of_format_1_is_still_read() => await CheckContentAsync(Golden);

    [Fact]
    public async Task A_repository_of_format_1_is_still_written_byte_for_byte_but_for_compression()
    {
        using var small = await SmallRepository.CreateAsync();
        foreach (var name in (string[])["format", "lineages/0001"])
        {
            Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(Golden, name)), await File.ReadAllBytesAsync(Path.Combine(small.Directory, name)));
        }
        var names = Directory.EnumerateFiles(small.Directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(small.Directory, f)).Order(StringComparer.Ordinal);
        Assert.Equal(Directory.EnumerateFiles(Golden, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Golden, f)).Order(StringComparer.Ordinal), names);
    }

    [Fact]
    public async Task Looking_at_a_repository_that_is_not_there_does_not_make_it()
    {
        var directory = Path.Combine(RigRoot.NewDirectory("none"), "repository");
        var repository = await Repository.OpenAsync(directory, default);
        Assert.Null(repository.Current);
        Assert.Null(await repository.TryFindAsync(SmallRepository.First, default));
        Assert.Equal(0, repository.SweepUnfinished());
        Assert.False(Directory.Exists(directory));
    }

    [Fact]
    public async Task Another_cluster_is_refused_until_it_is_accepted_and_the_old_one_stays()
    {
        using var small = await SmallRepository.CreateAsync();
        var repository = await Repository.OpenAsync(small.Directory, default);
        var other = SmallRepository.Identity with { SystemId = 7, MajorVersion = 17 };
        var error = await Assert.ThrowsAsync<BarkeepException>(() => repository.AdoptAsync(other, acceptNew: false, SmallRepository.Clock, default));
        Assert.Equal(ErrorKind.WrongSystem, error.Kind);

        await repository.AdoptAsync(other, acceptNew: true, SmallRepository.Clock, default);
        repository = await Repository.OpenAsync(small.Directory, default);
        Assert.Equal([SmallRepository.Identity, other], repository.Lineages.Select(l => l.Identity));
        Assert.Equal(other, repository.Current!.Identity);
        Assert.Equal(SmallRepository.Identity, (await repository.TryFindAsync(SmallRepository.First, default))!.Value.Lineage.Identity);
    }

    [Fact]
    public async Task Equal_WAL_is_put_once_and_other_WAL_of_the_same_name_never()
    {
        using var small = await SmallRepository.CreateAsync();
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        Assert.False(await wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(SmallRepository.SegmentBytes), default));
        var other = (byte[])SmallRepository.SegmentBytes.Clone();
        other[^1] ^= 1;
        var error = await Assert.ThrowsAsync<BarkeepException>(() => wal.PutSegmentAsync(SmallRepository.Segment, new MemoryStream(other), default));
        Assert.Equal(ErrorKind.WalDiverged, error.Kind);
        await CheckContentAsync(small.Directory);
    }

    [Fact]
    public async Task A_segment_that_ends_early_is_not_put()
    {
        using var small = await SmallRepository.CreateAsync();
        var wal = (await Repository.OpenAsync(small.Directory, default)).Current!.Wal;
        var name = SmallRepository.LastSegment.Next(wal.SegmentSize);
        await Assert.ThrowsAsync<EndOfStreamException>(() => wal.PutSegmentAsync(name, new MemoryStream(SmallRepository.SegmentBytes, 0, 1000), default));
        Assert.False(await wal.HasSegmentAsync(name, default));
    }

    [Fact]
    public async Task A_backup_is_removed_and_is_whole_or_gone_after_each_step()
    {
        using var small = await SmallRepository.CreateAsync();
        var states = new List<BackupState?>();
        foreach (var id in (BackupId[])[SmallRepository.First, SmallRepository.Third])
        {
            for (var steps = 1; steps <= 4; steps++)
            {
                var left = steps;
                var store = new DirectoryStore(small.Directory) { BeforeEach = operation => operation.StartsWith("delete", StringComparison.Ordinal) && left-- == 0 ? throw new OperationCanceledException() : ValueTask.CompletedTask };
                await Xunit.Record.ExceptionAsync(async () => await (await Repository.OpenAsync(store, default)).Current!.Backups.RemoveAsync(id, default));
                states.Add((await (await Repository.OpenAsync(small.Directory, default)).Current!.Backups.TryGetAsync(id, default))?.State);
            }
        }
        Assert.Equal([BackupState.Done, null, null, null, BackupState.Failed, BackupState.Failed, BackupState.Failed, null], states);
        Assert.Equal([SmallRepository.Second], (await (await Repository.OpenAsync(small.Directory, default)).Current!.Backups.ListAsync(default)).Select(static b => b.Id));
        Assert.Single(Directory.EnumerateDirectories(Directory.EnumerateDirectories(small.Directory, "backups", SearchOption.AllDirectories).Single()));
    }

    [Fact]
    public async Task A_second_manifest_of_a_backup_is_refused()
    {
        using var small = await SmallRepository.CreateAsync();
        var backups = (await Repository.OpenAsync(small.Directory, default)).Current!.Backups;
        var manifest = await backups.ReadManifestAsync(SmallRepository.First, default);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => backups.CommitAsync(SmallRepository.First, manifest with { Entries = [] }, default));
        Assert.Equal(ErrorKind.Busy, error.Kind);
        Assert.Equal(manifest.Entries.Count, (await backups.ReadManifestAsync(SmallRepository.First, default)).Entries.Count);
    }

    [Fact]
    public void Ids_ascend_even_when_the_clock_goes_back()
    {
        var later = BackupId.Next(SmallRepository.Clock.AddHours(-2), SmallRepository.First);
        Assert.True(later > SmallRepository.First);
        Assert.True(BackupId.TryParse(later.ToString(), out var parsed));
        Assert.Equal(later, parsed);
        Assert.False(BackupId.TryParse("20261323T131251", out _));
        Assert.False(BackupId.TryParse("latest", out _));
    }

    [Fact]
    public async Task Any_manifest_is_read_as_it_was_written()
    {
        using var small = await SmallRepository.CreateAsync();
        var backups = (await Repository.OpenAsync(small.Directory, default)).Current!.Backups;
        var id = SmallRepository.Third;
        await Manifests.SampleAsync(
            async entries =>
            {
                id = BackupId.Next(SmallRepository.Clock, id);
                var written = new Manifest { Info = SmallRepository.Info(id), Packs = ["20261123T131251/0001", "20261123T131251/10000"], Entries = entries };
                await backups.CommitAsync(id, written, default);
                var read = await backups.ReadManifestAsync(id, default);
                Assert.Equal(written.Packs, read.Packs);
                Assert.Equal(written.Entries.Select(Text), read.Entries.Select(Text));
            },
            iter: 100, threads: 1);
    }

    static readonly Gen<PageRun[]> Runs = Gen.Select(Gen.Int[1, 300], Gen.Int[-1, 1], Gen.Int[0, 5000]).Select((count, pack, ordinal) => pack < 0 ? PageRun.Zeros(count) : new PageRun(count, pack, ordinal)).Array[0, 6];

    static readonly Gen<ManifestEntry[]> Manifests = Gen.Select(Gen.Char.AlphaNumeric.Array[1, 6], Runs, Gen.Int[0, Page.Size - 1], Gen.Byte.Array[0, 50], Gen.Long[0, 4_000_000_000])
        .Select((name, runs, less, content, modifiedAt) => new string(name) is var text && runs.Length > 0
            ? new ManifestEntry { Kind = ManifestEntryKind.File, Path = $"base/1/{text}", Length = (runs.Sum(r => (long)r.Count) * Page.Size) - less, ModifiedAt = modifiedAt, Runs = runs }
            : ManifestEntry.Inline($"base/{text}é", content))
        .Array[0, 40]
        .Select(entries => entries.Append(ManifestEntry.Directory("base")).Append(ManifestEntry.Directory("base/1"))
            .DistinctBy(e => e.Path).OrderBy(e => e.Path, Comparer<string>.Create(ManifestEntry.ComparePaths)).ToArray());

    static string Text(ManifestEntry entry) =>
        $"{entry.Kind} {entry.Path} {entry.Length} {entry.ModifiedAt} {string.Join(' ', entry.Runs)} {Convert.ToHexString(entry.Content.Span)}";

    static async Task CheckContentAsync(string directory)
    {
        await SmallRepository.ReadAllAsync(directory);
        var lineage = (await Repository.OpenAsync(directory, default)).Current!;
        Assert.Equal(1, lineage.Number);

        // Backups.
        var backups = await lineage.Backups.ListAsync(default);
        Assert.Equal([BackupState.Done, BackupState.WaitingForWals, BackupState.Failed], backups.Select(b => b.State));
        Assert.Equal("the connection broke", backups[2].Failure);
        var first = await lineage.Backups.ReadManifestAsync(backups[0].Id, default);
        foreach (var (path, content) in SmallRepository.Files)
        {
            Assert.Equal(content, await SmallRepository.ContentAsync(lineage, first, path));
        }
        var second = await lineage.Backups.ReadManifestAsync(backups[1].Id, default);
        var changed = await SmallRepository.ContentAsync(lineage, second, "base/1/112");
        Assert.StartsWith("changed 1", System.Text.Encoding.ASCII.GetString(changed, Page.Size, Page.Size), StringComparison.Ordinal);
        Assert.Equal(SmallRepository.Files["base/1/112"][(2 * Page.Size)..], changed[(2 * Page.Size)..]);
        Assert.Equal("fast \"disk\"", first.Info.Tablespaces[0].Name);
        Assert.Equal(new Lsn(0x200138), first.Info.EndLsn);
        Assert.Equal(SmallRepository.Clock, first.Info.BeginTime);
        Assert.Equal("local all all peer\n"u8, first.Entries.Single(e => e.Kind == ManifestEntryKind.External).Content.Span);

        // WAL.
        using var segment = new MemoryStream();
        Assert.Equal(1 << 20, await lineage.Wal.CopySegmentAsync(SmallRepository.Segment, partial: false, segment, default));
        Assert.Equal(SmallRepository.SegmentBytes, segment.ToArray());
        using var partial = new MemoryStream();
        await lineage.Wal.CopySegmentAsync(SmallRepository.LastSegment, partial: true, partial, default);
        Assert.Equal(SmallRepository.PartialBytes, partial.ToArray());
        Assert.Equal([(SmallRepository.Segment, false), (SmallRepository.LastSegment, true)], (await lineage.Wal.ListSegmentsAsync(default)).Select(s => (s.Name, s.IsPartial)));
        Assert.Equal(new Lsn(0x3000100), (await lineage.Wal.GetHistoryAsync(new(2), default)).Ancestors.Single().End);
        Assert.Equal(SmallRepository.MissingWal, (await lineage.Wal.ListGapsAsync(default)).Single());
    }
}
