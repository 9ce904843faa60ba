using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>A server that was promoted, while its former primary went on: one backup before that, three on the new timeline. The server is down.</summary>
public sealed class LeftTimelineTests : IAsyncLifetime
{
    static readonly SegmentSize Size = SmallRepository.Identity.SegmentSize;

    readonly BarkeepRig _rig = new();
    readonly List<BackupId> _ids = [];

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_rig.ConfigDirectory, "montagu.json"), """{ "host": "127.0.0.1", "port": 1 }""");
        var (locations, server) = (new Locations(_rig.Home, _rig.RestoreDirectory, _rig.ConfigDirectory), ServerName.Parse("montagu"));
        SetupFile.Write(locations.SetupFile(server), SmallRepository.Clock, new Dictionary<string, string>());
        var repository = await Repository.OpenAsync(locations.RepositoryDirectory(server), default);
        var lineage = await repository.AdoptAsync(SmallRepository.Identity, acceptNew: false, SmallRepository.Clock, default);
        await BackUpAsync(lineage, 1, 16);
        await PutAsync(lineage, 1, 16, 26);
        await lineage.Wal.PutHistoryAsync(new(2), "1\t0/1400100\tno recovery target specified\n"u8.ToArray(), default);
        await PutAsync(lineage, 2, 20, 25);
        foreach (var number in (int[])[21, 23, 24])
        {
            await BackUpAsync(lineage, 2, number);
        }
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task WAL_belongs_to_a_backup_that_leads_to_its_timeline()
    {
        // What the former primary went on to write is after the first backup, whatever was begun elsewhere meanwhile; so is the new timeline up to its own first.
        Assert.Equal((10, 1), await CountAsync(0));
        Assert.Equal((1, 1), await CountAsync(1));
        Assert.Equal((0, 1), await CountAsync(2));
        Assert.Equal((0, 1), await CountAsync(3));
    }

    [Fact]
    public async Task Backups_of_other_timelines_are_passed_over_in_one_line()
    {
        var result = await _rig.RunAsync("barman", "restore", "montagu", "latest", Path.Combine(_rig.RestoreDirectory, "new"), "--target-tli", "1", "--dry-run");
        Assert.Contains($"3 backups, {_ids[1]} to {_ids[3]}, are passed over: they are not in the history of timeline 1", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain($"{_ids[2]}", result.Error, StringComparison.Ordinal);
    }

    // After it, and its own.
    async Task<(int Later, int Own)> CountAsync(int backup)
    {
        var shown = JsonNode.Parse((await _rig.RunAsync("barman", "-f", "json", "show-backup", "montagu", $"{_ids[backup]}")).Checked().Output)!["montagu"]!;
        return ((int)shown["wal_information"]!["no_of_files"]!, (int)shown["base_backup_information"]!["number_of_wals"]!);
    }

    static async Task PutAsync(Lineage lineage, uint timeline, int from, int to)
    {
        for (var number = from; number < to; number++)
        {
            await lineage.Wal.PutSegmentAsync(SegmentName.Of(new(timeline), (ulong)number, Size), new MemoryStream(new byte[Size.Bytes]), default);
        }
    }

    async Task BackUpAsync(Lineage lineage, uint timeline, int number)
    {
        var time = SmallRepository.Clock.AddDays(_ids.Count);
        var id = await lineage.ClaimBackupAsync(time, "test", default);
        var begin = Size.StartOf((ulong)number);
        var info = SmallRepository.Info(id) with { Timeline = timeline, BeginLsnText = $"{begin + 100}", EndLsnText = $"{begin + 900}", BeginTime = time, EndTime = time, DamagedPages = [], DamagedPageCount = 0 };
        await lineage.Backups.CommitAsync(id, new() { Info = info, Packs = [], Entries = [ManifestEntry.Inline("backup_label", "label"u8.ToArray())] }, default);
        await lineage.Backups.CompleteAsync(id, time, default);
        _ids.Add(id);
    }
}
