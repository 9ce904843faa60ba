using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Architecture;
using Barkeep.Tests.Repo;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Packs;

public sealed class PackGenerationTests
{
    static readonly string Golden = Path.Combine(SourceTree.Root, "tests/Barkeep.Tests/Repo/golden/pack-2");

    [Fact]
    public async Task A_pack_of_version_2_is_still_read()
    {
        using var small = await SmallRepository.CreateCollectedAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var pack = (await lineage.Packs.ListAsync(default)).Single(p => p.Generation > 0);
        var written = Directory.EnumerateFiles(small.Directory, "0001.1", SearchOption.AllDirectories).Single();
        await File.WriteAllBytesAsync(written, await File.ReadAllBytesAsync(Golden));
        using var reader = (await lineage.Packs.TryOpenAsync(pack, default))!;
        await SmallRepository.ReadPacksAsync(lineage);

        // Pages 2 to 4 of the relation, 5 and 6 of the sparse file, the others: not 0 and 1, which the second backup has anew.
        Assert.False(reader.Index.Holds(0, 1));
        Assert.False(reader.Index.Holds(1, 2));
        Assert.True(reader.Index.Holds(2, 3));
        Assert.Equal(-1, reader.Index.PositionOf(1));
        Assert.Equal(0, reader.Index.PositionOf(2));
        Assert.Equal(2, reader.Index.OrdinalAt(0));
        await CheckSecondAsync(lineage);
    }

    [Fact]
    public async Task What_is_needed_is_read_from_a_packs_next_generation()
    {
        using var small = await SmallRepository.CreateCollectedAsync();
        await CheckSecondAsync((await Repository.OpenAsync(small.Directory, default)).Current!);
    }

    [Fact]
    public async Task Any_pages_of_a_pack_are_kept_under_their_ordinals_generation_after_generation()
    {
        using var small = new SmallRepository();
        var repository = await Repository.OpenAsync(small.Directory, default);
        var lineage = await repository.AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        var id = SmallRepository.First;
        await Gen.Select(Gen.Int[1, 128].Array[1, 5], Gen.Int[0, 9], Gen.Int[0, int.MaxValue]).SampleAsync(
            async (frames, density, seed) =>
            {
                id = BackupId.Next(SmallRepository.Clock, id);
                var hashes = await WriteAsync(lineage, id, frames);
                var pack = new StoredPack($"{id}/0001", 0);
                var random = new Random(seed);
                var kept = Enumerable.Range(0, hashes.Length).ToHashSet();
                for (var generation = 0; generation < 3; generation++)
                {
                    kept.RemoveWhere(_ => random.Next(10) > density);
                    var needed = new PageSet();
                    foreach (var ordinal in kept)
                    {
                        needed.Add(ordinal, 1);
                    }
                    pack = await lineage.Packs.RewriteAsync(pack, needed, static () => new(), default);
                    await CheckAsync(lineage, pack, hashes, kept);
                }
            },
            iter: 30, threads: 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_frame_from_which_its_pages_cannot_be_had_back_does_not_replace_a_pack(bool isWellFormed)
    {
        using var small = new SmallRepository();
        var lineage = await (await Repository.OpenAsync(small.Directory, default)).AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        var id = BackupId.Next(SmallRepository.Clock, SmallRepository.First);
        var hashes = await WriteAsync(lineage, id, [.. Enumerable.Repeat(Page.PerFrame, 40)]);
        var half = new PageSet();
        for (var ordinal = 0; ordinal < hashes.Length; ordinal += 2)
        {
            half.Add(ordinal, 1);
        }

        // Far behind the first frames, which are decoded always, and not at a sample's place.
        var error = await Assert.ThrowsAsync<BarkeepException>(() => lineage.Packs.RewriteAsync(new($"{id}/0001", 0), half, () => new FaultyCodec(19, isWellFormed), default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.Equal(0, Assert.Single(await lineage.Packs.ListAsync(default)).Generation);
    }

    [Fact]
    public async Task A_page_that_is_damaged_or_not_there_is_not_carried_along()
    {
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var pack = (await lineage.Packs.ListAsync(default))[0];
        var absent = new PageSet();
        absent.Add(100, 1);
        var error = await Assert.ThrowsAsync<BarkeepException>(() => lineage.Packs.RewriteAsync(pack, absent, static () => new(), default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);

        var file = Directory.EnumerateFiles(small.Directory, "0001", SearchOption.AllDirectories).Single(f => f.Contains(pack.Name, StringComparison.Ordinal));
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[30] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
        var first = new PageSet();
        first.Add(0, 1);
        error = await Assert.ThrowsAsync<BarkeepException>(() => lineage.Packs.RewriteAsync(pack, first, static () => new(), default));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.DoesNotContain(await lineage.Packs.ListAsync(default), p => p.Generation > 0);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(small.Directory, "tmp")));
    }

    [Fact]
    public async Task A_pack_is_found_when_collection_replaces_it_after_the_first_look()
    {
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var pack = (await lineage.Packs.ListAsync(default))[0];
        using (await lineage.Packs.OpenAsync(pack.Name, default))
        {
        }
        var needed = new PageSet();
        needed.Add(3, 1);
        for (var generation = 1; generation < 4; generation++)
        {
            var next = await lineage.Packs.RewriteAsync(pack, needed, static () => new(), default);
            await lineage.Packs.DeleteAsync(pack, default);
            using var found = await lineage.Packs.OpenAsync(pack.Name, default);
            Assert.Equal(1, found.Index.PageCount);
            Assert.True(found.Index.Holds(3, 1));
            pack = next;
        }
        await lineage.Packs.DeleteAsync(pack, default);
        var error = await Assert.ThrowsAsync<BarkeepException>(async () => await lineage.Packs.OpenAsync(pack.Name, default));
        Assert.Equal(ErrorKind.ObjectMissing, error.Kind);
    }

    [Fact]
    public void A_set_of_pages_is_the_set_of_what_was_added() =>
        Gen.Select(Gen.Int[0, 300], Gen.Int[1, 200]).Array[0, 8].Sample(runs =>
        {
            var (set, model) = (new PageSet(), new HashSet<int>());
            foreach (var (first, count) in runs)
            {
                set.Add(first, count);
                model.UnionWith(Enumerable.Range(first, count));
            }
            Assert.Equal(model.Count, set.Count);
            Assert.All(Enumerable.Range(0, 600), i => Assert.Equal(model.Contains(i), set.Contains(i)));
        }, iter: 200, threads: 1);

    static async Task CheckSecondAsync(Lineage lineage)
    {
        var manifest = await lineage.Backups.ReadManifestAsync(SmallRepository.Second, default);
        var changed = await SmallRepository.ContentAsync(lineage, manifest, "base/1/112");
        Assert.Equal(SmallRepository.Files["base/1/112"][(2 * Page.Size)..], changed[(2 * Page.Size)..]);
        foreach (var (path, content) in SmallRepository.Files.Where(static f => f.Key != "base/1/112"))
        {
            Assert.Equal(content, await SmallRepository.ContentAsync(lineage, manifest, path));
        }
    }

    // Half of the frames compress.
    static async Task<UInt128[]> WriteAsync(Lineage lineage, BackupId id, int[] frames)
    {
        using var series = lineage.Packs.Begin(id);
        using var codec = new FrameCodec();
        var hashes = new List<UInt128>();
        for (var number = 0; number < frames.Length; number++)
        {
            var raw = new byte[frames[number] * Page.Size];
            new Random(number).NextBytes(number % 2 == 0 ? raw : raw.AsSpan(0, 100));
            for (var page = 0; page < frames[number]; page++)
            {
                BitConverter.TryWriteBytes(raw.AsSpan(page * Page.Size), (number * 1000) + page);
            }
            var own = Enumerable.Range(0, frames[number]).Select(i => FrameCodec.HashOf(raw.AsSpan(i * Page.Size, Page.Size))).ToArray();
            var stored = codec.Encode(raw, out var encoding);
            await series.AppendAsync(stored, encoding, own, default);
            hashes.AddRange(own);
        }
        await series.FinishAsync(default);
        return [.. hashes];
    }

    static async Task CheckAsync(Lineage lineage, StoredPack pack, UInt128[] hashes, HashSet<int> kept)
    {
        using var reader = (await lineage.Packs.TryOpenAsync(pack, default))!;
        Assert.Equal(kept.Count, reader.Index.PageCount);
        for (var ordinal = 0; ordinal < hashes.Length; ordinal++)
        {
            Assert.Equal(kept.Contains(ordinal), reader.Index.Holds(ordinal, 1));
            Assert.Equal(kept.Contains(ordinal) ? ordinal : -1, reader.Index.PositionOf(ordinal) is >= 0 and var position ? reader.Index.OrdinalAt(position) : -1);
            if (kept.Contains(ordinal))
            {
                Assert.Equal(hashes[ordinal], reader.Index.HashOf(ordinal));
            }
        }
        Assert.False(reader.Index.Holds(hashes.Length, 1));
        using var codec = new FrameCodec();
        byte[] stored = new byte[FrameCodec.MaxRawLength], raw = new byte[FrameCodec.MaxRawLength];
        for (var number = 0; number < reader.Index.Frames.Count; number++)
        {
            var pages = await reader.ReadFrameAsync(number, codec, stored, raw, default);
            for (var page = 0; page < reader.Index.Frames[number].Pages; page++)
            {
                Assert.Equal(hashes[reader.Index.OrdinalAt(reader.Index.Frames[number].FirstPosition + page)], FrameCodec.HashOf(pages.Span.Slice(page * Page.Size, Page.Size)));
            }
        }
    }
}
