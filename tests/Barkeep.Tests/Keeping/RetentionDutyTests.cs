using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Keeping;

/// <summary>Four backups of a segment each, on disk; the policy wants the newest two.</summary>
public sealed class RetentionDutyTests : IAsyncLifetime
{
    static readonly ServerName Server = ServerName.Parse("montagu");

    readonly string _home = RigRoot.NewDirectory("retention");
    readonly List<BackupId> _ids = [];
    Repository _repository = null!;

    Locations Locations => new(_home, Path.Combine(_home, "restore"), Path.Combine(_home, "config"));

    Lineage Lineage => _repository.Current!;

    public async ValueTask InitializeAsync()
    {
        _repository = await Repository.OpenAsync(Locations.RepositoryDirectory(Server), default);
        await _repository.AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        for (var i = 0; i < 4; i++)
        {
            await BackUpAsync(i);
        }
        // Nothing is left to be done but what the policy says.
        await new Collector(_repository, Server, Locations).RunAsync(0, default);
    }

    public ValueTask DisposeAsync()
    {
        RigRoot.Remove(_home);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task B10_what_is_not_wanted_goes_with_its_WAL()
    {
        var duty = Duty();
        var obsolete = await duty.FindObsoleteAsync(default);
        Assert.Equal(_ids[..2], obsolete.Select(static v => v.Backup.Id));
        var plan = Assert.Single(await duty.PlanAsync(obsolete, default));
        Assert.Equal(["it ends before the oldest backup begins"], plan.Segments.Select(static s => s.Why).Distinct());
        await AssertLeftAsync(0, 1, 2, 3);

        var result = await duty.RunAsync(obsolete, default);
        Assert.Equal(_ids[..2], result.Backups);
        Assert.Equal(plan.Segments.Select(static s => s.Segment), result.Segments);
        Assert.Equal(plan.FreedLength, result.FreedLength);
        await AssertLeftAsync(2, 3);
        Assert.Empty(await duty.FindObsoleteAsync(default));
    }

    [Fact]
    public async Task B10_while_a_restore_or_a_backup_runs_nothing_goes()
    {
        using (DutyLock.TryShare(Locations.RestoreLock(Server)))
        {
            Assert.Empty(await Duty().FindObsoleteAsync(default));
        }
        var running = await Lineage.ClaimBackupAsync(SmallRepository.Clock.AddDays(9), "test", default);
        Assert.Empty(await Duty().FindObsoleteAsync(default));
        await Lineage.Backups.FailAsync(running, "meant to", ErrorKind.Failed, SmallRepository.Clock, default);
        Assert.Equal(2, (await Duty().FindObsoleteAsync(default)).Count);
    }

    [Fact]
    public async Task B10_a_restore_that_begins_after_the_judgement_keeps_its_WAL()
    {
        var obsolete = await Duty().FindObsoleteAsync(default);
        var segments = await Lineage.Wal.ListSegmentsAsync(default);
        using (DutyLock.TryShare(Locations.RestoreLock(Server)))
        {
            Assert.NotNull((await Duty().RunAsync(obsolete, default)).Hold);
            Assert.Equal(segments, await Lineage.Wal.ListSegmentsAsync(default));
        }
        await new Collector(_repository, Server, Locations).RunAsync(Collector.DefaultBudget, default);
        await AssertLeftAsync(2, 3);
    }

    [Fact]
    public async Task One_that_is_kept_after_the_judgement_stays_with_all_that_it_needs()
    {
        var obsolete = await Duty().FindObsoleteAsync(default);
        await KeepAsync(_ids[0], KeepTarget.Full);
        var result = await Duty().RunAsync(obsolete, default);
        Assert.Equal(_ids[0], Assert.Single(result.Refused).Id);
        Assert.Equal([_ids[1]], result.Backups);
        Assert.Empty(result.Segments);
        Assert.Equal([_ids[0], _ids[2], _ids[3]], (await Lineage.Backups.ListAsync(default)).Select(static b => b.Id));
    }

    [Fact]
    public async Task The_last_that_can_be_restored_is_refused_at_the_last_moment()
    {
        var all = (await RetentionDuty.JudgeAsync(_repository, Config, default)).Select(static v => v with { Status = RetentionStatus.Obsolete });
        Assert.Equal(_ids[3], Assert.Single((await Duty().RunAsync(all, default)).Refused).Id);
        Assert.Equal([_ids[3]], (await Lineage.Backups.ListAsync(default)).Select(static b => b.Id));
    }

    [Fact]
    public async Task While_a_manifest_cannot_be_read_nothing_goes()
    {
        var obsolete = await Duty().FindObsoleteAsync(default);
        var file = Directory.EnumerateFiles(_home, "manifest", SearchOption.AllDirectories).Single(f => f.Contains($"{_ids[3]}", StringComparison.Ordinal));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllBytesAsync(file, (await File.ReadAllBytesAsync(file))[..^1]);
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => Duty().RunAsync(obsolete, default));
        Assert.Equal(ErrorKind.Damaged, refusal.Kind);
        await AssertLeftAsync(0, 1, 2, 3);
    }

    [Fact]
    public async Task While_another_command_keeps_or_deletes_nothing_goes()
    {
        var obsolete = await Duty().FindObsoleteAsync(default);
        using (DutyLock.TryTake(Locations.CatalogLock(Server)))
        {
            Assert.Equal(ErrorKind.Busy, (await Assert.ThrowsAsync<BarkeepException>(() => Duty().RunAsync(obsolete, default))).Kind);
            Assert.Equal(ErrorKind.Busy, (await Assert.ThrowsAsync<BarkeepException>(() => KeepAsync(_ids[0], KeepTarget.Full))).Kind);
        }
        await AssertLeftAsync(0, 1, 2, 3);
    }

    [Fact]
    public async Task Marks_tell_how_a_backup_is_kept_and_go_with_it()
    {
        async Task<KeepTarget?> KeepOfAsync(int i) => (await Lineage.Backups.TryGetAsync(_ids[i], default))!.Keep;
        Assert.Null(await KeepOfAsync(0));
        foreach (var target in (KeepTarget?[])[KeepTarget.Standalone, KeepTarget.Standalone, KeepTarget.Full, KeepTarget.Standalone, null, KeepTarget.Full, null])
        {
            await KeepAsync(_ids[0], target);
            Assert.Equal(target, await KeepOfAsync(0));
            Assert.Equal(target, (await Lineage.Backups.ListAsync(default))[0].Keep);
        }

        // A change that was cut off between its two steps: more is kept, not less.
        await KeepAsync(_ids[0], KeepTarget.Standalone);
        var mark = Directory.EnumerateFiles(_home, "keep.standalone", SearchOption.AllDirectories).Single();
        File.Copy(mark, Path.Combine(Path.GetDirectoryName(mark)!, "keep.full"));
        Assert.Equal(KeepTarget.Full, await KeepOfAsync(0));
        await KeepAsync(_ids[0], null);
        Assert.Equal(2, (await Duty().FindObsoleteAsync(default)).Count);

        // Removed with a mark, as of somebody who removes what is kept all the same, nothing is left of it.
        await KeepAsync(_ids[1], KeepTarget.Full);
        await Lineage.Backups.RemoveAsync(_ids[1], default);
        Assert.Empty(Directory.EnumerateDirectories(_home, $"{_ids[1]}", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFiles(_home, "keep.*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task What_is_kept_by_itself_asks_for_no_more_WAL_while_some_is_being_collected()
    {
        await KeepAsync(_ids[0], KeepTarget.Standalone);
        using (DutyLock.TryTake(Locations.CollectionLock(Server)))
        {
            Assert.Equal(ErrorKind.Busy, (await Assert.ThrowsAsync<BarkeepException>(() => KeepAsync(_ids[0], KeepTarget.Full))).Kind);
            Assert.Equal(ErrorKind.Busy, (await Assert.ThrowsAsync<BarkeepException>(() => KeepAsync(_ids[0], null))).Kind);
        }
        Assert.Equal(KeepTarget.Standalone, (await Lineage.Backups.TryGetAsync(_ids[0], default))!.Keep);
    }

    [Fact]
    public async Task What_failed_cannot_be_kept_and_may_always_be_deleted()
    {
        var id = await Lineage.ClaimBackupAsync(SmallRepository.Clock.AddDays(9), "test", default);
        await Lineage.Backups.FailAsync(id, "meant to", ErrorKind.Failed, SmallRepository.Clock, default);
        Assert.Equal(ErrorKind.BackupUnusable, (await Assert.ThrowsAsync<BarkeepException>(() => KeepAsync(id, KeepTarget.Full))).Kind);
        var result = await new BackupDeletion(_repository, Server, Locations, TimeProvider.System, minimumRedundancy: 9).RunAsync(id, default);
        Assert.Equal([id], result.Backups);
    }

    [Fact]
    public async Task On_a_disk_that_stays_full_a_backup_is_deleted_although_neither_who_did_it_nor_what_was_collected_can_be_noted()
    {
        await using var disk = await LoopDisk.CreateAsync(8);
        var full = Locations with { Home = disk.MountPoint };
        Directory.CreateDirectory(full.ServerDirectory(Server));
        await disk.FillAsync();
        var result = await new BackupDeletion(_repository, Server, full, TimeProvider.System).RunAsync(_ids[0], default);
        Assert.Equal([_ids[0]], result.Backups);
        Assert.NotEmpty(result.Segments);
        Assert.Null(DutyLock.HolderPid(full.CollectionLock(Server)));
        Assert.False(DutyLock.IsHeld(full.CollectionLock(Server)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(full.ServerDirectory(Server)));
    }

    [Fact]
    public async Task A_mark_lets_collection_look_again_and_the_next_backup_does_when_one_waits_for_it()
    {
        var collector = new Collector(_repository, Server, Locations);
        await collector.RunAsync(Collector.DefaultBudget, default);
        Assert.False(await collector.IsDueAsync(default));
        // The newest: all WAL stays until there is another.
        await KeepAsync(_ids[3], KeepTarget.Standalone);
        Assert.True(await collector.IsDueAsync(default));
        await PutSegmentAsync(20);
        Assert.Empty((await collector.RunAsync(Collector.DefaultBudget, default)).Segments);
        Assert.False(await collector.IsDueAsync(default));
        await BackUpAsync(8);
        Assert.True(await collector.IsDueAsync(default));
    }

    [Fact]
    public async Task B10_what_is_listed_as_obsolete_is_what_cron_lets_go_for_a_new_cluster_without_backups_and_a_damaged_pack_too()
    {
        await using var rig = new BarkeepRig();
        (rig.Environment["BARKEEP_HOME"], rig.Environment["BARKEEP_CONFIG_DIR"]) = (_home, ConfigDirectory());
        (rig.Environment["BARMAN_MONTAGU_RETENTION_POLICY"], rig.Environment["BARMAN_MONTAGU_MINIMUM_REDUNDANCY"]) = ("REDUNDANCY 1", "2");
        SetupFile.Write(Locations.SetupFile(Server), SmallRepository.Clock, new Dictionary<string, string>());
        await AssertObsoleteAsync(rig, _ids[..2]);

        // Of a former cluster the policy wants one: minimum_redundancy is of the present one.
        var former = Lineage;
        await _repository.AdoptAsync(SmallRepository.Identity with { SystemId = SmallRepository.Identity.SystemId + 1 }, acceptNew: true, SmallRepository.Clock, default);
        await AssertObsoleteAsync(rig, _ids[..3]);

        await former.Packs.MarkDamagedAsync($"{_ids[3]}/0001", "meant to", default);
        await AssertObsoleteAsync(rig, []);
    }

    static async Task AssertObsoleteAsync(BarkeepRig rig, IReadOnlyList<BackupId> expected)
    {
        var cron = (await rig.RunAsync("barman", "cron", "--dry-run")).Checked().OutputLines.Where(static l => l.Contains(" would go: ", StringComparison.Ordinal));
        Assert.Equal(expected.Select(static id => id.ToString()), cron.Select(static l => l.Split(' ')[1]));
        var listed = (await rig.RunAsync("barman", "list-backup", "montagu")).Checked().OutputLines.Where(static l => l.EndsWith(" - OBSOLETE", StringComparison.Ordinal));
        Assert.Equal(expected.Select(static id => id.ToString()), listed.Select(static l => l.Split(' ')[1]).Reverse());
    }

    ServerConfig Config => new ConfigReader(Locations with { ConfigDirectory = ConfigDirectory() }, new Dictionary<string, string> { ["BARMAN_MONTAGU_RETENTION_POLICY"] = "REDUNDANCY 2" }).Read(Server);

    string ConfigDirectory()
    {
        var directory = Path.Combine(_home, "config");
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "montagu.json"), "{}");
        return directory;
    }

    RetentionDuty Duty() => new(_repository, Config, Locations);

    Task<SegmentName?> KeepAsync(BackupId id, KeepTarget? target) => BackupKeeping.SetAsync(_repository, Server, Locations, id, target, TimeProvider.System, default);

    async Task AssertLeftAsync(params int[] backups)
    {
        Assert.Equal(backups.Select(i => _ids[i]), (await Lineage.Backups.ListAsync(default)).Select(static b => b.Id));
        Assert.Equal(Enumerable.Range(16 + (2 * backups[0]), 8 - (2 * backups[0])).Select(static n => (ulong)n), (await Lineage.Wal.ListSegmentsAsync(default)).Select(s => s.Name.Number(SmallRepository.Identity.SegmentSize)));
    }

    // Its own segment, and one after it.
    async Task BackUpAsync(int number)
    {
        var begin = new Lsn((ulong)(16 + (2 * number)) << 20);
        await PutSegmentAsync(16 + (2 * number));
        await PutSegmentAsync(17 + (2 * number));
        var time = SmallRepository.Clock.AddDays(number);
        var id = await Lineage.ClaimBackupAsync(time, "test", default);
        var info = SmallRepository.Info(id) with { BeginLsnText = (begin + 100).ToString(), EndLsnText = (begin + 900).ToString(), BeginTime = time, EndTime = time, DamagedPages = [], DamagedPageCount = 0 };
        await Lineage.Backups.CommitAsync(id, new() { Info = info, Packs = [], Entries = [ManifestEntry.Inline("backup_label", "label"u8.ToArray())] }, default);
        await Lineage.Backups.CompleteAsync(id, time, default);
        _ids.Add(id);
    }

    Task<bool> PutSegmentAsync(int number) =>
        Lineage.Wal.PutSegmentAsync(SegmentName.Of(TimelineId.First, (ulong)number, SmallRepository.Identity.SegmentSize), new MemoryStream(new byte[1 << 20]), default);
}
