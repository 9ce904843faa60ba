using Barkeep.Configuration;
using Barkeep.Repo;
using Barkeep.Tests.Rig;
using Xunit;

[assembly: AssemblyFixture(typeof(Barkeep.Tests.Scenarios.RecoveryBench))]

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// A repository with a backup, a dozen segments after it and a tail, of a server that is gone; and servers that recover from it through a
/// restore_command. All runs as the user postgres, as PostgreSQL runs its commands. Made when a test first asks for it.
/// </summary>
public sealed class RecoveryBench : IAsyncDisposable
{
    /// <summary>Rows in the table t, one transaction each segment.</summary>
    public const int Rows = 12;

    readonly Lazy<Task<CommandBench>> _bench = new(MakeAsync);

    public async ValueTask DisposeAsync()
    {
        if (_bench is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
        {
            await (await _bench.Value).DisposeAsync();
        }
    }

    /// <summary>The program on a copy of the repository, to be damaged.</summary>
    public async Task<Copy> CopyAsync()
    {
        var bench = await _bench.Value;
        var rig = new BarkeepRig();
        (await Command.RunAsync("cp", "-a", $"{bench.Rig.Home}/.", rig.Home)).Checked();
        (await Command.RunAsync("cp", "-a", $"{bench.Rig.ConfigDirectory}/.", rig.ConfigDirectory)).Checked();
        await rig.RunAsPostgresAsync();
        return new(bench, rig);
    }

    static async Task<CommandBench> MakeAsync()
    {
        var bench = await CommandBench.StartAsync(new() { Configuration = ["autovacuum = off", "checkpoint_timeout = 1h"] });
        await bench.Rig.RunAsPostgresAsync();
        (await bench.Rig.RunAsync("setup-barman")).Checked();
        await bench.Cluster.SqlAsync("CREATE TABLE t (i int)");
        for (var i = 1; i < Rows; i++)
        {
            await bench.Cluster.SqlAsync($"INSERT INTO t VALUES ({i})");
            (await bench.BarmanAsync("switch-wal", "--archive", CommandBench.Server)).Checked();
        }
        await bench.Cluster.SqlAsync($"INSERT INTO t VALUES ({Rows})");
        (await bench.BarmanAsync("receive-wal", "--stop", CommandBench.Server)).Checked();
        await bench.Cluster.KillAsync();
        return bench;
    }

    /// <summary>One repository, and the servers that recover from it.</summary>
    public sealed class Copy(CommandBench bench, BarkeepRig rig) : IAsyncDisposable
    {
        public BarkeepRig Rig => rig;

        /// <summary>The stored segments, in order.</summary>
        public async Task<IReadOnlyList<string>> StoredAsync()
        {
            var locations = Locations.From(name => rig.Environment.GetValueOrDefault(name));
            var repository = await Repository.OpenAsync(locations.RepositoryDirectory(ServerName.Parse(CommandBench.Server)), default);
            var segments = await repository.Current!.Wal.ListSegmentsAsync(default);
            return [.. segments.Select(s => Path.Combine(locations.RepositoryDirectory(ServerName.Parse(CommandBench.Server)), $"{repository.Current.Identity.SystemId}", "wal", $"{s.Name}"[..16], $"{s.Name}"))];
        }

        /// <summary>A restored data directory without the WAL that follows the backup, which the command is to bring.</summary>
        /// <param name="command">The restore_command's, after <c>barman</c>.</param>
        public async Task<TestCluster> RestoreAsync(string command, params string[] lines)
        {
            var target = Path.Combine(rig.RestoreDirectory, Guid.NewGuid().ToString("N"));
            (await rig.RunAsync("barman", "restore", CommandBench.Server, "latest", target)).Checked();
            foreach (var path in Directory.EnumerateFiles(Path.Combine(target, "pg_wal"), "*", SearchOption.AllDirectories))
            {
                File.Delete(path);
            }
            await File.WriteAllTextAsync(Path.Combine(target, "recovery.signal"), "");
            var environment = string.Join(' ', rig.Environment.Select(static v => $"{v.Key}={v.Value}"));
            await File.AppendAllLinesAsync(Path.Combine(target, "postgresql.auto.conf"), [$"restore_command = 'env {environment} {rig.LinkDirectory}/barman {command}'", .. lines]);
            return await TestCluster.OnDirectoryAsync(target, bench.Cluster);
        }

        /// <summary>Starts a server that must not get through its recovery: it must end, and not have opened.</summary>
        /// <returns>Its log.</returns>
        public static async Task<string> StopsAsync(TestCluster cluster)
        {
            // It may take connections for a while, once it is consistent.
            await Assert.ThrowsAnyAsync<Exception>(async () =>
            {
                await cluster.StartAsync();
                await cluster.RecoveredAsync();
            });
            await Eventually.IsTrueAsync(() => !cluster.IsRunning, "the server ends");
            Assert.Empty(Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "pg_wal"), "*.history"));
            return await File.ReadAllTextAsync(cluster.LogFile);
        }

        /// <summary>Starts a server and waits until it has recovered.</summary>
        public static async Task<IReadOnlyList<string>> RowsAsync(TestCluster cluster)
        {
            await cluster.StartAsync();
            await cluster.RecoveredAsync();
            return await cluster.ListAsync("SELECT i FROM t ORDER BY i");
        }

        public ValueTask DisposeAsync() => rig.DisposeAsync();
    }
}
