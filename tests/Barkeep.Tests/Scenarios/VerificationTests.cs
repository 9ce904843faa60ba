using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Verification;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class VerificationTests(RestorableCluster cluster)
{
    static readonly ServerName Server = ServerName.Parse(HandMadeBackup.Server);

    [Fact]
    public async Task A_sound_backup_is_found_sound_up_to_the_end_of_the_tail()
    {
        var source = await cluster.GetAsync();
        var result = await VerifyAsync(source.Locations, source.Backup);
        Assert.Empty(result.Damage);
        Assert.Empty(result.Notes);
        var manifest = await (await LineageAsync(source.Locations)).Backups.ReadManifestAsync(source.Backup, default);
        Assert.Equal(manifest.Entries.Sum(static e => e.Runs.Where(static r => !r.IsZeros).Sum(static r => (long)r.Count)), result.Pages);
        var lineage = await LineageAsync(source.Locations);
        var size = lineage.Identity.SegmentSize;
        var (tail, length) = WalSpool.Of(lineage, Server, source.Locations).List()[^1];
        Assert.Equal(tail.Start(size) + length, result.WalEnd);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task A_flipped_bit_anywhere_is_found_and_named_and_nothing_else_is(int seed)
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var random = new Random(seed);
        var lineage = await LineageAsync(locations);
        var expected = new List<string>();

        // A frame and the manifest, or the index, which says nothing of frames any more.
        var pack = (await lineage.Packs.ListAsync(default))[0];
        var packFile = Find(locations, $"packs/{pack}");
        using (var reader = await lineage.Packs.OpenAsync(pack.Name, default))
        {
            var number = random.Next(reader.Index.Frames.Count);
            var frame = reader.Index.Frames[number];
            if (seed % 2 == 0)
            {
                Flip(packFile, frame.Offset + random.Next(frame.StoredLength), random);
                expected.Add($"pack {pack.Name}, frame {number}");
            }
            else
            {
                Flip(packFile, random.NextInt64(reader.Index.Frames[^1].Offset + reader.Index.Frames[^1].StoredLength, new FileInfo(packFile).Length), random);
                expected.Add($"pack {pack.Name}");
            }
        }

        // A segment anywhere, and the tail.
        var segments = (await lineage.Wal.ListSegmentsAsync(default)).Select(static s => s.Name).ToList();
        var info = (await lineage.Backups.TryGetAsync(source.Backup, default))!.Info!;
        var segment = segments.Where(s => s.End(lineage.Identity.SegmentSize) > info.BeginLsn).OrderBy(_ => random.Next()).First();
        Flip(Find(locations, $"wal/{segment.ToString()[..16]}/{segment}"), null, random);
        expected.Add($"WAL segment {segment}");
        expected.Add($"WAL segment {FlipTail(locations, lineage, random)} in the spool");

        var result = await VerifyAsync(locations, source.Backup);
        Assert.Equal(expected.Order(StringComparer.Ordinal), result.Damage.Select(static d => d.What).Order(StringComparer.Ordinal));
        Assert.All(result.Damage, d => Assert.Equal([source.Backup], d.Backups));
        RigRoot.Remove(locations.Home);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_flipped_bit_in_a_manifest_is_found_and_named(int seed)
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        Flip(Find(locations, $"backups/{source.Backup}/manifest"), null, new(seed));
        var damage = Assert.Single((await VerifyAsync(locations, source.Backup)).Damage);
        Assert.Equal($"manifest of backup {source.Backup}", damage.What);
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task Damage_names_all_backups_that_need_the_page_and_their_files_and_no_others()
    {
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var first = await lineage.Backups.ReadManifestAsync(SmallRepository.First, default);

        // Both need this page; its file is the same in both.
        var shared = first.Entries.Single(static e => e.Path == "base/1/1249").Runs.First(static r => !r.IsZeros);
        await FlipFrameAsync(small.Directory, lineage, first.Packs[shared.Pack], shared.Ordinal);
        var result = await new BackupVerification(lineage, new(small.Directory, SmallRepository.Identity.SegmentSize), null, 2, null).RunAsync([SmallRepository.Second], default);
        var hurt = Assert.Single(result.Damage, static d => d.What.StartsWith("pack", StringComparison.Ordinal));
        Assert.Equal([SmallRepository.First, SmallRepository.Second], hurt.Backups);
        Assert.Contains("base/1/1249", hurt.Files);
    }

    [Fact]
    public async Task A_page_that_only_another_backup_needs_is_not_held_against_this_one()
    {
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var second = await lineage.Backups.ReadManifestAsync(SmallRepository.Second, default);
        var own = second.Packs.Single(static p => p.StartsWith($"{SmallRepository.Second}/", StringComparison.Ordinal));
        await FlipFrameAsync(small.Directory, lineage, own, 0);
        var verification = new BackupVerification(lineage, new(small.Directory, SmallRepository.Identity.SegmentSize), null, 2, null);
        Assert.DoesNotContain((await verification.RunAsync([SmallRepository.First], default)).Damage, static d => d.What.StartsWith("pack", StringComparison.Ordinal));
        verification = new BackupVerification(lineage, new(small.Directory, SmallRepository.Identity.SegmentSize), null, 2, null);
        var hurt = Assert.Single((await verification.RunAsync([SmallRepository.First, SmallRepository.Second], default)).Damage, static d => d.What.StartsWith("pack", StringComparison.Ordinal));
        Assert.Equal([SmallRepository.Second], hurt.Backups);
    }

    [Fact]
    public async Task A_pack_that_was_put_back_counts_as_sound_when_all_of_it_was_read_and_not_before()
    {
        using var small = await SmallRepository.CreateAsync();
        var lineage = (await Repository.OpenAsync(small.Directory, default)).Current!;
        var first = await lineage.Backups.ReadManifestAsync(SmallRepository.First, default);
        var pack = Assert.Single(first.Packs);
        var path = Path.Combine(small.Directory, $"{lineage.Identity.SystemId}/packs/{pack}");
        var sound = await File.ReadAllBytesAsync(path);

        // A frame, the index, the footer; in another verification's eyes than the one that found it.
        foreach (var at in (long[])[24, sound.Length - 60, sound.Length - 4])
        {
            Flip(path, at, new(1));
            await VerifyAsync(SmallRepository.First);
            Assert.Equal([pack], await lineage.Packs.ListDamagedAsync(default));
            await VerifyAsync(SmallRepository.Second);
            Assert.Equal([pack], await lineage.Packs.ListDamagedAsync(default));
            await File.WriteAllBytesAsync(path, sound);
            Assert.Contains((await VerifyAsync(SmallRepository.Second)).Notes, static n => n.Contains("is sound again", StringComparison.Ordinal));
            Assert.Empty(await lineage.Packs.ListDamagedAsync(default));
        }

        // What the second backup needs is sound, and the rest is not.
        var left = SmallRepository.NeededOf(await lineage.Backups.ReadManifestAsync(SmallRepository.Second, default), pack);
        await FlipFrameAsync(small.Directory, lineage, pack, Enumerable.Range(0, int.MaxValue).First(o => !left.Contains(o)));
        await lineage.Packs.MarkDamagedAsync(pack, "meant to", default);
        await VerifyAsync(SmallRepository.Second);
        Assert.Equal([pack], await lineage.Packs.ListDamagedAsync(default));

        Task<VerificationResult> VerifyAsync(BackupId id) =>
            new BackupVerification(lineage, new(small.Directory, SmallRepository.Identity.SegmentSize), null, 2, null).RunAsync([id], default);
    }

    [Fact]
    public async Task A_lost_pack_and_a_lost_segment_are_found_and_named()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var lineage = await LineageAsync(locations);
        var pack = (await lineage.Packs.ListAsync(default))[0];
        File.Delete(Find(locations, $"packs/{pack}"));
        var info = (await lineage.Backups.TryGetAsync(source.Backup, default))!.Info!;
        var segment = SegmentName.Containing(TimelineId.First, info.EndLsn, lineage.Identity.SegmentSize).Next(lineage.Identity.SegmentSize);
        File.Delete(Find(locations, $"wal/{segment.ToString()[..16]}/{segment}"));

        var result = await VerifyAsync(locations, source.Backup);
        Assert.Equal([$"pack {pack.Name}", $"WAL segment {segment}"], result.Damage.Select(static d => d.What));
        Assert.Equal([ErrorKind.ObjectMissing, ErrorKind.WalGap], result.Damage.Select(static d => d.Kind));
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task WAL_that_was_let_go_after_a_backup_kept_by_itself_is_no_damage()
    {
        await using var server = await TestCluster.StartNewAsync();
        using var backup = new HandMadeBackup(server);
        await server.SqlAsync("CREATE TABLE t (i int)");
        var kept = await backup.TakeAsync();
        for (var i = 0; i < 3; i++)
        {
            await server.SqlAsync($"INSERT INTO t VALUES ({i})");
            await server.SqlAsync("SELECT pg_switch_wal()");
        }
        var newest = await backup.TakeAsync();
        var lineage = await backup.LineageAsync();
        await lineage.Backups.KeepAsync(kept, KeepTarget.Standalone, backup.Clock, default);
        var before = (await lineage.Wal.ListSegmentsAsync(default)).Count;
        await new Collector(await Repository.OpenAsync(backup.RepositoryDirectory, default), Server, backup.Locations).RunAsync(Collector.DefaultBudget, default);
        Assert.True((await lineage.Wal.ListSegmentsAsync(default)).Count < before);

        foreach (var ids in (BackupId[][])[[kept], [kept, newest]])
        {
            var result = await new BackupVerification(lineage, WalSpool.Of(lineage, Server, backup.Locations), null, 2, null).RunAsync(ids, default);
            Assert.Empty(result.Damage);
            Assert.StartsWith($"backup {kept} is kept by itself, without the WAL after it", Assert.Single(result.Notes), StringComparison.Ordinal);
        }

        // What nobody wanted gone is damage as ever.
        await lineage.Backups.KeepAsync(kept, KeepTarget.Full, backup.Clock, default);
        var hurt = await new BackupVerification(lineage, WalSpool.Of(lineage, Server, backup.Locations), null, 2, null).RunAsync([kept], default);
        Assert.Equal(ErrorKind.WalGap, Assert.Single(hurt.Damage).Kind);
    }

    [Fact]
    public async Task Damaged_WAL_that_a_backup_needs_refuses_its_restore_before_anything_is_written_until_it_is_verified_sound()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var lineage = await LineageAsync(locations);
        var info = (await lineage.Backups.TryGetAsync(source.Backup, default))!.Info!;
        var segment = SegmentName.Containing(TimelineId.First, info.BeginLsn, lineage.Identity.SegmentSize);
        var file = Find(locations, $"wal/{segment.ToString()[..16]}/{segment}");
        var bytes = await File.ReadAllBytesAsync(file);
        Flip(file, bytes.Length / 2, new(1));
        Assert.Contains((await VerifyAsync(locations, source.Backup)).Notes, static n => n.Contains("counts as missing", StringComparison.Ordinal));

        using var scratch = new Scratch("restored");
        var options = source.Into(scratch.Path) with { Locations = locations, Backup = source.Backup };
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.Equal(ErrorKind.WalGap, refusal.Kind);
        Assert.Contains($"WAL segment {segment} is damaged", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Path));

        // Put back from a copy: until that has been looked at, nothing is known of it.
        await File.WriteAllBytesAsync(file, bytes);
        await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options, default));
        Assert.Empty((await VerifyAsync(locations, source.Backup)).Damage);
        Assert.DoesNotContain("damaged", (await RestoreJob.PlanAsync(options, default)).ToString(), StringComparison.Ordinal);
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task A_segment_that_is_received_again_while_the_rest_is_verified_counts_from_then_on()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        var lineage = await LineageAsync(locations);
        var info = (await lineage.Backups.TryGetAsync(source.Backup, default))!.Info!;
        var segment = SegmentName.Containing(TimelineId.First, info.BeginLsn, lineage.Identity.SegmentSize);
        using var sound = new MemoryStream();
        await lineage.Wal.CopySegmentAsync(segment, partial: false, sound, default);
        var file = Find(locations, $"wal/{segment.ToString()[..16]}/{segment}");
        Flip(file, new FileInfo(file).Length / 2, new(1));

        var meanwhile = Task.CompletedTask;
        var receiver = new WhenAllIsRead(() =>
        {
            sound.Position = 0;
            meanwhile = lineage.Wal.PutSegmentAsync(segment, sound, default);
            ((IAsyncResult)meanwhile).AsyncWaitHandle.WaitOne();
        });
        var result = await new BackupVerification(lineage, WalSpool.Of(lineage, Server, locations), null, 2, receiver).RunAsync([source.Backup], default);
        await meanwhile;
        Assert.True(receiver.HasRun);
        Assert.Equal($"WAL segment {segment}", Assert.Single(result.Damage).What);
        Assert.False(Assert.Single(await lineage.Wal.ListSegmentsAsync(default), s => s.Name == segment).IsDamaged);
        RigRoot.Remove(locations.Home);
    }

    [Fact]
    public async Task The_command_prints_what_Barman_prints_and_its_exit_code_tells()
    {
        var source = await cluster.GetAsync();
        var locations = await source.CopyAsync();
        await using var rig = new BarkeepRig();
        rig.Environment["BARKEEP_HOME"] = locations.Home;
        var sound = await rig.RunAsync("barman", "verify-backup", HandMadeBackup.Server, "latest");
        Assert.Equal(0, sound.ExitCode);
        Assert.Equal($"Verifying backup '{source.Backup}' on server {HandMadeBackup.Server}", sound.OutputLines[0]);
        Assert.Equal("backup successfully verified", sound.OutputLines[^1]);

        var pack = (await (await LineageAsync(locations)).Packs.ListAsync(default))[0];
        Flip(Find(locations, $"packs/{pack}"), 24, new(1));
        var hurt = await rig.RunAsync("barman", "-f", "json", "verify", HandMadeBackup.Server, "all");
        Assert.Equal(1, hurt.ExitCode);
        var json = JsonNode.Parse(hurt.Output)![HandMadeBackup.Server]!;
        Assert.False(json["verified"]!.GetValue<bool>());
        Assert.Equal($"pack {pack.Name}, frame 0", json["damage"]![0]!["what"]!.GetValue<string>());

        // All files are named in JSON, however many, and some for people.
        File.Delete(Find(locations, $"packs/{pack}"));
        var lost = JsonNode.Parse((await rig.RunAsync("barman", "-f", "json", "verify", HandMadeBackup.Server, "all")).Output)![HandMadeBackup.Server]!["damage"]![0]!;
        var files = lost["file_count"]!.GetValue<int>();
        Assert.True(files > 10, $"{files} files");
        Assert.Equal(files, lost["files"]!.AsArray().Count);
        Assert.Contains($" and {files - 10} more", (await rig.RunAsync("barman", "verify", HandMadeBackup.Server, "all")).Output, StringComparison.Ordinal);
        RigRoot.Remove(locations.Home);
    }

    /// <summary>Does something once a verification has read everything, before it goes on.</summary>
    sealed class WhenAllIsRead(Action run) : IProgress<VerificationProgress>
    {
        readonly Lock _lock = new();

        public bool HasRun { get; private set; }

        public void Report(VerificationProgress value)
        {
            lock (_lock)
            {
                if (value.Done == value.Total && !HasRun)
                {
                    HasRun = true;
                    run();
                }
            }
        }
    }

    static async Task<Lineage> LineageAsync(Locations locations) => (await Repository.OpenAsync(locations.RepositoryDirectory(Server), default)).Current!;

    static async Task<VerificationResult> VerifyAsync(Locations locations, BackupId backup)
    {
        var lineage = await LineageAsync(locations);
        var spool = WalSpool.Of(lineage, Server, locations);
        return await new BackupVerification(lineage, spool, null, 2, null).RunAsync([backup], default);
    }

    static string Find(Locations locations, string name) =>
        Directory.EnumerateFiles(locations.RepositoryDirectory(Server), "*", SearchOption.AllDirectories).Single(f => f.EndsWith($"/{name}", StringComparison.Ordinal));

    static void Flip(string file, long? at, Random random)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[at ?? random.NextInt64(bytes.Length)] ^= (byte)(1 << random.Next(8));
        File.WriteAllBytes(file, bytes);
    }

    // Not in its last page, where a length that is wrong looks like a record that is not here yet, nor between records, where nothing counts.
    static SegmentName FlipTail(Locations locations, Lineage lineage, Random random)
    {
        var spool = WalSpool.Of(lineage, Server, locations);
        var (name, length) = spool.List()[^1];
        var bytes = File.ReadAllBytes(spool.PathOf(name));
        long at;
        do
        {
            at = random.NextInt64(length / 8192 * 8192);
        }
        while (bytes[at] == 0);
        Flip(spool.PathOf(name), at, random);
        return name;
    }

    static async Task FlipFrameAsync(string directory, Lineage lineage, string pack, int ordinal)
    {
        using var reader = await lineage.Packs.OpenAsync(pack, default);
        var frame = reader.Index.Frames[reader.Index.FrameAt(reader.Index.PositionOf(ordinal))];
        Flip(Path.Combine(directory, $"{lineage.Identity.SystemId}/packs/{pack}"), frame.Offset, new(1));
    }
}
