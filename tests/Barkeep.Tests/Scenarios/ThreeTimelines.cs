using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// The WAL of a cluster that was promoted twice, and whose former primaries went on each time: three histories, of each of which it is known which
/// rows were committed where. Backups were taken on the first timeline, at its begin and after it had been left, and on the second.
/// </summary>
public sealed class ThreeTimelines : IAsyncLifetime
{
    /// <summary>A restore point on the first timeline after it was left, and on the third.</summary>
    public const string Mark = "mark";

    /// <summary>A restore point on the second timeline after it was left.</summary>
    public const string Left = "left";

    readonly List<TestCluster> _clusters = [];
    readonly RowWriter _writer = new();
    HandMadeBackup? _backup;

    /// <summary>The rows of each timeline's history, in order.</summary>
    public IReadOnlyDictionary<uint, List<CommittedRow>> Histories { get; } = new Dictionary<uint, List<CommittedRow>> { [1] = [], [2] = [], [3] = [] };

    /// <summary>How many rows the history had at its restore point.</summary>
    public Dictionary<uint, int> Marks { get; } = [];

    public BackupId First { get; private set; }

    public BackupId OnSecond { get; private set; }

    public BackupId LastOnFirst { get; private set; }

    public Locations Locations => _backup!.Locations;

    public TestCluster Source => _clusters[0];

    public async ValueTask InitializeAsync()
    {
        // 1. One primary with a standby.
        var primary = await TestCluster.StartNewAsync(new TestClusterOptions { Version = 18, Configuration = ["autovacuum = off", "wal_keep_size = 256MB", RowWriter.Setting] });
        _clusters.Add(primary);
        _backup = Backup(primary);
        await RowWriter.PrepareAsync(primary);
        First = await _backup.TakeAsync();
        var second = await StandbyAsync(primary);
        await WriteAsync(primary, 1, 6);
        await CaughtUpAsync(second);
        await _backup.ReceiveAsync();

        // 2. It is promoted, and the primary goes on.
        await PromoteAsync(second, 1, 2);
        await WriteAsync(second, 2, 2);
        using var onSecond = Backup(second);
        OnSecond = await onSecond.TakeAsync();
        await WriteAsync(second, 2, 2);
        await WriteAsync(primary, 1, 3);
        LastOnFirst = await _backup.TakeAsync();
        await MarkAsync(primary, 1);
        await WriteAsync(primary, 1, 2);
        await _backup.ReceiveAsync();

        // 3. And once more.
        var third = await StandbyAsync(second);
        await WriteAsync(second, 2, 3);
        await CaughtUpAsync(third);
        await PromoteAsync(third, 2, 3);
        await WriteAsync(third, 3, 3);
        await MarkAsync(third, 3);
        await WriteAsync(third, 3, 3);
        await _backup.ReceiveAsync(third);
        await WriteAsync(second, 2, 3);
        await second.SqlAsync($"SELECT pg_create_restore_point('{Left}')");
        // A restore point is not flushed by itself.
        await second.SqlAsync("SELECT pg_switch_wal()");
        await _backup.ReceiveAsync(second);
        await _backup.HearAsync(3);
    }

    public Task<Lineage> LineageAsync() => _backup!.LineageAsync();

    public RestoreOptions Into(string target) => new() { Locations = Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };

    public async ValueTask DisposeAsync()
    {
        foreach (var cluster in _clusters)
        {
            await cluster.DisposeAsync();
        }
        _backup?.Dispose();
    }

    HandMadeBackup Backup(TestCluster cluster) => new(cluster, _backup?.Home) { Clock = TimeProvider.System.GetUtcNow() };

    async Task WriteAsync(TestCluster cluster, uint timeline, int count)
    {
        _backup!.Clock = TimeProvider.System.GetUtcNow();
        for (var i = 0; i < count; i++)
        {
            var row = await _writer.CommitAsync(cluster);
            Assert.Equal(new TimelineId(timeline), row.Timeline);
            Histories[timeline].Add(row);
            if (row.Row % 2 == 0)
            {
                await cluster.SqlAsync("SELECT pg_switch_wal()");
            }
        }
        _backup.Clock = TimeProvider.System.GetUtcNow();
    }

    async Task MarkAsync(TestCluster cluster, uint timeline)
    {
        await cluster.SqlAsync($"SELECT pg_create_restore_point('{Mark}')");
        Marks[timeline] = Histories[timeline].Count;
    }

    async Task<TestCluster> StandbyAsync(TestCluster primary)
    {
        var standby = await primary.StartStandbyAsync();
        _clusters.Add(standby);
        return standby;
    }

    async Task PromoteAsync(TestCluster standby, uint from, uint to)
    {
        await standby.PromoteAsync();
        await standby.SqlAsync("CHECKPOINT");
        Histories[to].AddRange(Histories[from]);
    }

    async Task CaughtUpAsync(TestCluster standby)
    {
        var rows = _writer.Rows.Count;
        await Eventually.IsTrueAsync(async () => await standby.ScalarAsync<int>("SELECT max(i) FROM t") == rows, "the standby has all rows");
    }
}
