using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>A server whose WAL is received while its backups are taken, by a role that is no superuser.</summary>
sealed class IncrementalBench : IAsyncDisposable
{
    readonly LogLines _log = new();

    IncrementalBench(Reception reception) => Reception = reception;

    public Reception Reception { get; }

    public TestCluster Cluster => Reception.Cluster;

    public string Log => _log.ToString();

    public static Task<IncrementalBench> StartAsync(int version = 0, params IReadOnlyList<string> configuration)
    {
        var options = new TestClusterOptions { Configuration = configuration };
        return StartAsync(version == 0 ? options : options with { Version = version });
    }

    public static async Task<IncrementalBench> StartAsync(TestClusterOptions options)
    {
        var reception = await Reception.PrepareAsync(options with { Configuration = ["autovacuum = off", .. options.Configuration] });
        await reception.CreateSlotAsync();
        reception.Start();
        return new(reception);
    }

    public Task<BackupResult> BackUpAsync(bool full = false, Func<FrameCodec>? codec = null) => BackUpAsync(BackupBench.Options with { Full = full }, codec);

    public async Task<BackupResult> BackUpAsync(BackupOptions options, Func<FrameCodec>? codec = null)
    {
        var job = new BackupJob(Reception.Config, Reception.Locations, _log, TimeProvider.System) { Codec = codec ?? (static () => new()) };
        return await job.RunAsync(options, null, default);
    }

    /// <summary>Takes a backup that must read everything for a reason that holds the text.</summary>
    public async Task<BackupResult> ReadsEverythingAsync(string why, bool full = false)
    {
        var result = await BackUpAsync(full);
        Assert.Null(result.Info.Parent);
        Assert.Contains(why, result.Info.WhyEverything, StringComparison.Ordinal);
        return result;
    }

    /// <summary>Takes a backup that must be incremental since the given one.</summary>
    public async Task<BackupResult> IncrementalAsync(BackupResult since)
    {
        var result = await BackUpAsync();
        Assert.True(result.Info.WhyEverything is null, result.Info.WhyEverything);
        Assert.Equal(since.Id.ToString(), result.Info.Parent);
        return result;
    }

    public async Task DeleteAsync(BackupId id)
    {
        var repository = await Repository.OpenAsync(Reception.Locations.RepositoryDirectory(Reception.Config.Name), default);
        Assert.Null((await new BackupDeletion(repository, Reception.Config.Name, Reception.Locations, TimeProvider.System).RunAsync(id, default)).Hold);
    }

    /// <summary>Compares a backup, taken at rest, with a pg_basebackup, page for page.</summary>
    public async Task AssertEqualsAsync(BackupResult result, string? tablespace = null)
    {
        using var bench = new BackupBench(Reception.Config, Reception.Locations);
        using var scratch = new Scratch("comparison");
        Directory.CreateDirectory(Path.Combine(scratch.Path, "mine"));
        await PostgresUser.OwnAsync(scratch.Path);
        var (mine, theirs) = (Path.Combine(scratch.Path, "mine"), Path.Combine(scratch.Path, "theirs"));
        await bench.UnpackAsync(result.Id, mine);
        string[] mapping = tablespace is null ? [] : [$"--tablespace-mapping={tablespace}={theirs}-elsewhere"];
        (await Cluster.RunAsync("pg_basebackup", ["--pgdata", theirs, "--checkpoint=fast", "--no-sync", .. mapping])).Checked();
        Assert.Empty(ClusterComparison.Differences(mine, theirs));
    }

    /// <summary>Restores a backup, starts what came of it, and compares every row and page.</summary>
    public Task AssertRestoresAsync(BackupResult result) => AssertRestoresAsync(result.Id);

    /// <inheritdoc cref="AssertRestoresAsync(BackupResult)"/>
    public async Task AssertRestoresAsync(BackupId id)
    {
        await Reception.CaughtUpAsync();
        using var scratch = new Scratch("restored");
        var target = Path.Combine(scratch.Path, "data");
        await RestoreJob.RunAsync(new() { Locations = Reception.Locations, Server = Reception.Config.Name, Target = target, Backup = id }, null, default);
        await PostgresUser.OwnAsync(scratch.Path);
        await using var restored = await TestCluster.OnDirectoryAsync(target, Cluster);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(await RowDigest.TakeAsync(Cluster)));
        await ClusterSoundness.CheckAndStopAsync(restored);
    }

    public ValueTask DisposeAsync() => Reception.DisposeAsync();
}
