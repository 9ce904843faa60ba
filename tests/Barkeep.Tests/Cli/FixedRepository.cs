using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>
/// A server that is set up, whose repository is always the same: a failed backup, a complete one with a name and a tablespace, one with a
/// damaged page that waits for WAL, and a gap. The server itself is down.
/// </summary>
public sealed class FixedRepository : IAsyncLifetime
{
    const ulong SystemId = 7711344903188202192;

    static readonly DateTimeOffset Begin = new(2026, 11, 22, 1, 0, 0, TimeSpan.Zero);
    static readonly SegmentSize Size = new(1 << 20);

    public BarkeepRig Rig { get; } = new();

    public async ValueTask InitializeAsync()
    {
        Rig.Environment["TZ"] = "UTC";
        await File.WriteAllTextAsync(Path.Combine(Rig.ConfigDirectory, "montagu.json"), """{ "host": "127.0.0.1", "port": 1, "slot_name": "barkeep_fixed", "parallel_jobs": 2, "description": "Montagu" }""");
        var locations = new Locations(Rig.Home, Rig.RestoreDirectory, Rig.ConfigDirectory);
        var server = ServerName.Parse("montagu");
        SetupFile.Write(locations.SetupFile(server), Begin, new Dictionary<string, string>());
        var repository = await Repository.OpenAsync(locations.RepositoryDirectory(server), default);
        var lineage = await repository.AdoptAsync(new(SystemId, 15, Size), acceptNew: false, Begin, default);

        await lineage.Backups.StartAsync(Id("20261121T010000"), Begin.AddDays(-1), "test", default);
        await lineage.Backups.FailAsync(Id("20261121T010000"), "the disk is full", ErrorKind.DiskFull, Begin.AddDays(-1), default);
        await BackUpAsync(lineage, "20261122T010000", Begin, "0/5000028", "0/5100100", name: "weekly");
        await lineage.Backups.CompleteAsync(Id("20261122T010000"), Begin, default);
        await BackUpAsync(lineage, "20261123T010000", Begin.AddDays(1), "0/5500028", "0/5500100", damaged: true, parent: "20261122T010000");
        foreach (var number in (ulong[])[0x50, 0x51, 0x52, 0x53])
        {
            await lineage.Wal.PutSegmentAsync(SegmentName.Of(TimelineId.First, number, Size), new MemoryStream(new byte[Size.Bytes]), default);
        }
        await lineage.Wal.RecordGapAsync(new(TimelineId.First, Lsn.Parse("0/5400000"), Lsn.Parse("0/5500000"), "the slot was lost", Begin), default);
    }

    public ValueTask DisposeAsync() => Rig.DisposeAsync();

    static BackupId Id(string text) => BackupId.TryParse(text, out var id) ? id : throw new ArgumentException(text);

    static async Task BackUpAsync(Lineage lineage, string id, DateTimeOffset begin, string beginLsn, string endLsn, string? name = null, bool damaged = false, string? parent = null)
    {
        await lineage.Backups.StartAsync(Id(id), begin, "test", default);
        var info = new BackupInfo
        {
            BackupId = id,
            Name = name,
            Server = "montagu",
            SystemId = "7711344903188202192",
            ServerVersion = 150018,
            DataDirectory = "/var/lib/postgresql/15/main",
            SegmentSize = Size.Bytes,
            RelationSegmentBlocks = 131072,
            Timeline = 1,
            BeginLsnText = beginLsn,
            EndLsnText = endLsn,
            BeginTime = begin,
            EndTime = begin.AddSeconds(95),
            CopySeconds = 90.5,
            Jobs = 2,
            DataChecksums = true,
            GroupAccess = false,
            ClusterSize = 3L << 30,
            ReadBytes = parent is null ? 3L << 30 : 30L << 20,
            StoredBytes = 600L << 20,
            FileCount = 3,
            Parent = parent,
            WhyEverything = parent is null ? "there is no earlier backup to build on" : null,
            Tablespaces = [new(16390, "fast", "/srv/fast")],
            DamagedPages = damaged ? [new("base/5/16385", 7, "montagu.public.estimate")] : [],
            DamagedPageCount = damaged ? 1 : 0,
            UnreadConfigFiles = ["/etc/postgresql/15/main/pg_hba.conf"],
            Program = "barkeep 0.1.0",
        };
        ManifestEntry[] entries =
        [
            ManifestEntry.Inline("PG_VERSION", "15\n"u8.ToArray()),
            ManifestEntry.Inline("backup_label", "label"u8.ToArray()),
            ManifestEntry.Directory("global"),
            ManifestEntry.Inline("global/pg_control", new byte[8192]),
            ManifestEntry.Directory("pg_twophase"),
        ];
        await lineage.Backups.CommitAsync(Id(id), new() { Info = info, Packs = [], Entries = entries }, default);
    }
}
