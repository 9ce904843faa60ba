using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

[assembly: AssemblyFixture(typeof(Barkeep.Tests.Scenarios.RestorableCluster))]

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// One live cluster with a backup, WAL and a tail in a repository, for all tests that only read from them. It has a tablespace, a second database
/// and another tablespace that was made after the backup. Made when a test first asks for it.
/// </summary>
public sealed class RestorableCluster : IAsyncDisposable
{
    readonly Lazy<Task<State>> _state = new(MakeAsync);

    /// <summary>What all tests may know of it.</summary>
    public Task<State> GetAsync() => _state.Value;

    public async ValueTask DisposeAsync()
    {
        if (_state is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
        {
            var state = await _state.Value;
            RigRoot.Remove(state.Home);
            await state.Source.DisposeAsync();
        }
    }

    static async Task<State> MakeAsync()
    {
        var source = await TestCluster.StartNewAsync(new TestClusterOptions { Configuration = ["autovacuum = off"] });
        var place = await source.NewDirectoryAsync("elsewhere");
        var laterPlace = await source.NewDirectoryAsync("later");
        await source.SqlAsync($"CREATE TABLESPACE elsewhere LOCATION '{place}'");
        await source.SqlAsync("CREATE DATABASE second");
        await source.SqlAsync("CREATE TABLE t (i int PRIMARY KEY, s text); CREATE TABLE far (i int PRIMARY KEY, s text) TABLESPACE elsewhere");
        await source.SqlAsync("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i; INSERT INTO far SELECT * FROM t");
        await source.SqlAsync("CREATE UNLOGGED TABLE gone AS SELECT i FROM generate_series(1, 1000) i; CREATE TABLE other AS SELECT i FROM generate_series(1, 1000) i", "second");
        var backup = new HandMadeBackup(source);
        var id = await backup.TakeAsync();
        await source.SqlAsync($"CREATE TABLESPACE later LOCATION '{laterPlace}'");
        await source.SqlAsync("CREATE TABLE late TABLESPACE later AS SELECT * FROM t; UPDATE far SET s = 'changed' WHERE i % 10 = 0; DELETE FROM t WHERE i % 7 = 0");
        await source.SqlAsync("TRUNCATE gone", "second");
        await backup.ReceiveAsync();
        return new(source, backup.Locations, id, await RowDigest.TakeAsync(source), place, laterPlace);
    }

    /// <param name="Rows">What a restore must bring back.</param>
    public sealed record State(TestCluster Source, Locations Locations, BackupId Backup, RowDigest Rows, string Tablespace, string LaterTablespace)
    {
        public string Home => Locations.Home;

        public RestoreOptions Into(string target) => new() { Locations = Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };

        /// <summary>A home with a copy of the repository and the spool, to be mutilated.</summary>
        public async Task<Locations> CopyAsync()
        {
            var home = RigRoot.NewDirectory("copy");
            (await Command.RunAsync("cp", "--recursive", $"{Home}/.", home)).Checked();
            return Locations with { Home = home };
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
