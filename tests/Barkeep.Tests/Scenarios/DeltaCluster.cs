using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

[assembly: AssemblyFixture(typeof(Barkeep.Tests.Scenarios.DeltaCluster))]

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// A live cluster with two backups, between which everything that can happen to files has happened, and WAL behind the second. For all
/// tests that restore over something. Made when a test first asks for it.
/// </summary>
public sealed class DeltaCluster : IAsyncDisposable
{
    readonly Lazy<Task<State>> _state = new(MakeAsync);

    public Task<State> GetAsync() => _state.Value;

    public async ValueTask DisposeAsync()
    {
        if (_state is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
        {
            var state = await _state.Value;
            RigRoot.Remove(state.Fresh);
            RigRoot.Remove(state.Locations.Home);
            await state.Source.DisposeAsync();
        }
    }

    static async Task<State> MakeAsync()
    {
        var source = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off", "wal_keep_size = 512MB"] });
        var place = await source.NewDirectoryAsync("elsewhere");
        await source.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await source.SqlAsync("CREATE DATABASE second");
        await source.SqlAsync("CREATE TABLE t (i int PRIMARY KEY, s text); CREATE TABLE far (i int PRIMARY KEY, s text) TABLESPACE elsewhere; CREATE TABLE dropped AS SELECT i FROM generate_series(1, 5000) i");
        await source.SqlAsync("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 30000) i; INSERT INTO far SELECT * FROM t; CREATE TABLE shrunk AS SELECT * FROM t; CREATE TABLE same AS SELECT * FROM t");
        await source.SqlAsync("CREATE TABLE other AS SELECT i FROM generate_series(1, 1000) i", "second");
        var backup = new HandMadeBackup(source);
        var first = await backup.TakeAsync();
        await source.SqlAsync("DROP TABLE dropped; UPDATE t SET s = 'changed' WHERE i % 1000 = 0; UPDATE far SET s = 'changed' WHERE i % 5000 = 0; DELETE FROM shrunk WHERE i > 1000; CREATE TABLE added AS SELECT * FROM t");
        await source.SqlAsync("VACUUM shrunk");
        await source.SqlAsync("CREATE DATABASE third");
        var second = await backup.TakeAsync();
        await source.SqlAsync("CREATE TABLE late AS SELECT * FROM t; UPDATE far SET s = 'late' WHERE i % 3000 = 0");
        await backup.ReceiveAsync();
        var fresh = RigRoot.NewDirectory("fresh");
        var state = new State(source, backup.Locations, first, second, await RowDigest.TakeAsync(source), fresh, place);
        foreach (var id in new[] { first, second })
        {
            Assert.Empty((await RestoreJob.RunAsync(state.Into(state.FreshOf(id), id) with { IsDelta = false }, null, default)).Warnings);
        }
        return state;
    }

    /// <param name="Rows">What a restore of either backup must bring back.</param>
    /// <param name="Fresh">Where each backup has been restored into an empty directory.</param>
    public sealed record State(TestCluster Source, Locations Locations, BackupId First, BackupId Second, RowDigest Rows, string Fresh, string Tablespace)
    {
        public string FreshOf(BackupId id) => Path.Combine(Fresh, id.ToString());

        /// <summary>A delta restore.</summary>
        public RestoreOptions Into(string target, BackupId? id = null) =>
            new() { Locations = Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target, Backup = id ?? Second, IsDelta = true };

        /// <summary>Restores into an empty directory.</summary>
        public async Task RestoreAsync(string target, BackupId id) => await RestoreJob.RunAsync(Into(target, id), null, default);

        /// <summary>Restores over what is there, and makes sure that the outcome is what a restore into an empty directory gives.</summary>
        public async Task<RestoreResult> DeltaAsync(string target, BackupId? id = null)
        {
            var result = await RestoreJob.RunAsync(Into(target, id), null, default);
            await AssertFreshAsync(target, id);
            return result;
        }

        public async Task AssertFreshAsync(string target, BackupId? id = null)
        {
            var (expected, actual) = (await TreeImage.TakeAsync(FreshOf(id ?? Second), "barkeep.restored"), await TreeImage.TakeAsync(target, "barkeep.restored"));
            Assert.Equal("", actual.Differences(expected));
        }

        /// <summary>Starts a server on a restored directory and compares every row.</summary>
        public async Task<TestCluster> StartAsync(string target)
        {
            var restored = await TestCluster.OnDirectoryAsync(target, Source);
            await restored.StartAsync();
            await restored.RecoveredAsync();
            Assert.Empty((await RowDigest.TakeAsync(restored)).Differences(Rows));
            return restored;
        }
    }
}
