using System.Collections.Concurrent;
using Barkeep.Backups;
using Barkeep.Common;
using Barkeep.Keeping;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>A server to which a history happens, with a receiver beside it, and the backups that are taken of it.</summary>
sealed class HistoryRun : IAsyncDisposable
{
    // Each a lock that is held, an object that is in use, a state that does not allow it: what a history may run into.
    static readonly HashSet<string> Refusals =
    [
        PostgresErrorCodes.LockNotAvailable, PostgresErrorCodes.ObjectInUse, PostgresErrorCodes.ObjectNotInPrerequisiteState,
    ];

    readonly HistorySetting _setting;
    readonly Reception _reception;
    readonly Dictionary<string, NpgsqlConnection> _sessions = [];
    readonly List<KeptBackup> _backups = [];
    readonly Scratch _scratch = new("history");
    readonly Random _dice;
    string? _restored;
    int _tablespaces;
    int _restores;

    HistoryRun(HistorySetting setting, Reception reception)
    {
        _setting = setting;
        _reception = reception;
        _dice = new(setting.Seed);
    }

    /// <summary>How many statements the server refused.</summary>
    public int RefusedCount { get; private set; }

    public int StatementCount { get; private set; }

    /// <summary>What each backup was: parent, bytes read, what it was compared with.</summary>
    public List<string> Notes { get; } = [];

    TestCluster Cluster => _reception.Cluster;

    public static async Task<HistoryRun> StartAsync(HistorySetting setting)
    {
        var reception = await Reception.PrepareAsync(setting.ToOptions());
        try
        {
            await reception.CreateSlotAsync();
            reception.Start();
            var run = new HistoryRun(setting, reception);
            await PostgresUser.OwnAsync(run._scratch.Path);
            return run;
        }
        catch
        {
            await reception.DisposeAsync();
            throw;
        }
    }

    /// <summary>Statements in a session of their own. One that the server refuses for what else is going on is passed over, with those after it.</summary>
    public async Task SqlAsync(string database, params IEnumerable<string> statements)
    {
        await using var connection = await OpenAsync(database);
        await TryAsync(connection, statements);
    }

    /// <summary>Rows by COPY.</summary>
    /// <param name="before">Statements before it, in the same session.</param>
    public async Task CopyInAsync(string database, IReadOnlyList<string> before, string copy, IEnumerable<string> lines, string after)
    {
        await using var connection = await OpenAsync(database);
        if (!await TryAsync(connection, before))
        {
            return;
        }
        await using (var writer = await connection.BeginTextImportAsync(copy))
        {
            foreach (var line in lines)
            {
                await writer.WriteAsync($"{line}\n");
            }
        }
        await TryAsync(connection, [after]);
    }

    /// <summary>Statements in a session that stays open.</summary>
    public async Task HoldAsync(string session, string database, params IEnumerable<string> statements)
    {
        if (!_sessions.TryGetValue(session, out var connection))
        {
            _sessions[session] = connection = await OpenAsync(database);
        }
        await TryAsync(connection, statements);
    }

    /// <summary>Ends a session after a last statement.</summary>
    public async Task ReleaseAsync(string session, string statement)
    {
        if (_sessions.Remove(session, out var connection))
        {
            await using (connection)
            {
                await TryAsync(connection, [statement]);
            }
        }
    }

    public async Task CreateTablespaceAsync(string name) =>
        await Cluster.SqlAsync($"CREATE TABLESPACE {name} LOCATION '{await Cluster.NewDirectoryAsync($"place{++_tablespaces}")}'");

    /// <summary>kill -9 of all processes, or an immediate stop; then a start.</summary>
    public async Task CrashAsync(bool isKill)
    {
        await (isKill ? Cluster.KillAsync() : Cluster.StopImmediatelyAsync());
        await StartAgainAsync();
    }

    public async Task RestartAsync()
    {
        await LeaveAsync();
        await Cluster.StopAsync();
        await StartAgainAsync();
    }

    /// <summary>The server becomes a standby of nobody and is promoted: it goes on, on a new timeline.</summary>
    public async Task PromoteAsync(bool isCrash)
    {
        await LeaveAsync();
        await (isCrash ? Cluster.StopImmediatelyAsync() : Cluster.StopAsync());
        var signal = Path.Combine(Cluster.DataDirectory, "standby.signal");
        await File.WriteAllTextAsync(signal, "");
        await PostgresUser.OwnAsync(signal);
        await Cluster.StartAsync();
        await Cluster.PromoteAsync();
        await Cluster.RecoveredAsync();
        // The promotion's own checkpoint is taken when it is convenient; pg_basebackup would find the old timeline until then.
        await Cluster.SqlAsync("CHECKPOINT");
    }

    /// <summary>A backup of the resting server; what a restore brings back equals what pg_basebackup fetches.</summary>
    public async Task BackUpAtRestAsync(bool isFull)
    {
        await RestAsync();
        var backup = await BackUpAsync(isFull, null);
        var copy = await BaseBackupAsync(backup);
        await CompareAsync(backup with { Copy = copy }, isNew: true);
        _backups.Add(backup with { Copy = copy });
    }

    /// <summary>A backup during which all this happens; there is nothing to compare it with but what comes later.</summary>
    public async Task BackUpMeanwhileAsync(bool isFull, IReadOnlyList<HistoryStep> meanwhile)
    {
        var waiting = new ConcurrentQueue<HistoryStep>(meanwhile);
        var backup = await BackUpAsync(isFull, new Interruption(report =>
        {
            // The reader that reports waits meanwhile, the other one, if there is one, reads on: half of the steps at the first report, one at each of the others.
            for (var count = waiting.Count == meanwhile.Count ? (waiting.Count + 1) / 2 : 1; report.Step == BackupStep.Copying && count > 0 && waiting.TryDequeue(out var step); count--)
            {
                Task.Run(() => step.RunAsync(this)).GetAwaiter().GetResult();
            }
        }));
        while (waiting.TryDequeue(out var step))
        {
            await step.RunAsync(this);
        }
        _backups.Add(backup);
    }

    /// <summary>Restores a backup with all WAL since, starts it, and compares its rows with the server's. Nothing may be open on the server.</summary>
    /// <param name="age">0 for the newest backup, 1 for the oldest.</param>
    public async Task StartRestoredAsync(double age)
    {
        if (_backups.Count == 0)
        {
            return;
        }
        var backup = _backups[^(1 + (int)(age * (_backups.Count - 1)))];
        var rows = await RowDigest.TakeAsync(Cluster);
        await _reception.CaughtUpAsync();
        var target = await RestoreAsync(backup.Id);
        await using (var restored = await TestCluster.OnDirectoryAsync(target, Cluster))
        {
            await restored.StartAsync();
            await restored.RecoveredAsync();
            AssertNone($"backup {backup.Id}, restored and started, has other rows", (await RowDigest.TakeAsync(restored)).Differences(rows));
            await ClusterSoundness.CheckAndStopAsync(restored, _setting.HasChecksums);
        }
        Keep(target);
        Notes.Add($"backup {backup.Id}: started, rows equal, sound");
    }

    /// <summary>Deletes a backup, unless it is the only one.</summary>
    /// <param name="age">0 for the newest backup, 1 for the oldest.</param>
    public async Task DeleteAsync(double age)
    {
        if (_backups.Count < 2)
        {
            return;
        }
        var backup = _backups[^(1 + (int)(age * (_backups.Count - 1)))];
        var repository = await Repository.OpenAsync(_reception.Locations.RepositoryDirectory(_reception.Config.Name), default);
        await new BackupDeletion(repository, _reception.Config.Name, _reception.Locations, TimeProvider.System).RunAsync(backup.Id, default);
        _backups.Remove(backup);
        if (backup.Copy is not null)
        {
            RigRoot.Remove(backup.Copy);
        }
        Notes.Add($"backup {backup.Id}: deleted");
    }

    /// <summary>Removes what no backup needs.</summary>
    /// <param name="budget">Bytes to write anew at most.</param>
    public async Task CollectAsync(long budget)
    {
        var repository = await Repository.OpenAsync(_reception.Locations.RepositoryDirectory(_reception.Config.Name), default);
        var result = await new Collector(repository, _reception.Config.Name, _reception.Locations).RunAsync(budget, default);
        Assert.Empty(result.Findings);
        Notes.Add($"collection: {result.Removed.Count} packs removed, {result.Rewritten.Count} written anew{(result.Hold is { } hold ? $", held: {hold}" : "")}");
    }

    /// <summary>Every backup that is left is what it was when it was taken.</summary>
    public async Task CompareAllAgainAsync()
    {
        await _reception.CaughtUpAsync();
        // The newest has just been compared.
        foreach (var backup in _backups.SkipLast(1).Where(static b => b.Copy is not null))
        {
            await CompareAsync(backup, isNew: false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var session in _sessions.Values)
        {
            await session.DisposeAsync();
        }
        await _reception.DisposeAsync();
        _scratch.Dispose();
    }

    // The first look at a row after its transaction changes its page, once the commit is flushed: what both backups look at in the catalogs has been
    // looked at. Then everything is on disk.
    async Task RestAsync()
    {
        await Cluster.SqlAsync("CHECKPOINT");
        await Cluster.SqlAsync("""
            DO $$
            DECLARE catalog regclass;
            BEGIN
                FOR catalog IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace LOOP
                    EXECUTE format('SELECT count(*) FROM %s', catalog);
                END LOOP;
            END $$
            """);
        await Cluster.SqlAsync("CHECKPOINT");
    }

    async Task<KeptBackup> BackUpAsync(bool isFull, Interruption? meanwhile)
    {
        var options = new BackupOptions { Jobs = meanwhile is null || _dice.Next(3) == 0 ? 2 : 1, WaitWithoutReceiver = true, Full = isFull, BandwidthLimit = meanwhile is null ? 0 : 40_000 };
        var job = new BackupJob(_reception.Config, _reception.Locations, NullLogger.Instance, TimeProvider.System);
        var result = await job.RunAsync(options, meanwhile, default);
        Assert.True(result.State == BackupState.Done, $"backup {result.Id} is {result.State}: {string.Join("; ", result.Warnings)}\n{_reception.Log}");
        Assert.Equal(0, result.Info.DamagedPageCount);
        var info = result.Info;
        Notes.Add($"backup {result.Id}: {(info.Parent is { } parent ? $"parent {parent}" : info.WhyEverything)}, timeline {info.Timeline}, {info.BeginLsn} to {info.EndLsn}, read {info.ReadBytes} of {info.ClusterSize} bytes{(result.Warnings.Count > 0 ? $": {string.Join("; ", result.Warnings)}" : "")}");
        return new(result.Id, null);
    }

    async Task<string> BaseBackupAsync(KeptBackup backup)
    {
        var target = Path.Combine(_scratch.Path, $"{backup.Id}-copy");
        var places = await Cluster.ListAsync("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''");
        var mapping = places.Select(from => $"--tablespace-mapping={from}={target}/tablespaces/{Path.GetFileName(from)}");
        (await Cluster.RunAsync("pg_basebackup", ["--pgdata", target, "--checkpoint=fast", "--no-sync", "--no-manifest", "--wal-method=none", .. mapping])).Checked();
        return target;
    }

    async Task CompareAsync(KeptBackup backup, bool isNew)
    {
        var target = await RestoreAsync(backup.Id);
        // Directories that only one of the two makes for what the comparison follows through links; tablespaces for what the WAL since will put there.
        static IEnumerable<string> Links(string directory) => Directory.EnumerateFileSystemEntries(Path.Combine(directory, "pg_tblspc")).Select(static l => $"pg_tblspc/{Path.GetFileName(l)}");
        string[] later = isNew ? [] : [.. Links(target).Except(Links(backup.Copy!))];
        var differences = ClusterComparison.Differences(
            target, backup.Copy!, new UnloggedBits(_setting.IsEveryChangeLogged).Clear, ["tablespaces", "original-config", "barkeep.restored", .. later]);
        AssertNone($"backup {backup.Id}, restored (left), differs from pg_basebackup's copy (right)", differences);
        Keep(target);
    }

    // Sometimes into what the restore before has left, whichever backup that was of, started meanwhile or not.
    async Task<string> RestoreAsync(BackupId id)
    {
        var (target, isDelta) = _restored is { } older && _dice.Next(2) == 0 ? (older, true) : (Path.Combine(_scratch.Path, $"{id}-{++_restores}"), false);
        _restored = isDelta ? null : _restored;
        var result = await RestoreJob.RunAsync(new() { Locations = _reception.Locations, Server = _reception.Config.Name, Target = target, Backup = id, IsDelta = isDelta }, null, default);
        Notes.Add($"backup {id}: restored into {Path.GetFileName(target)}{(isDelta ? ", which held another one," : "")} up to {result.ReachedLsn}");
        return target;
    }

    void Keep(string target)
    {
        if (_restored is not null)
        {
            RigRoot.Remove(_restored);
        }
        _restored = target;
    }

    async Task StartAgainAsync()
    {
        foreach (var session in _sessions.Values)
        {
            await session.DisposeAsync();
        }
        _sessions.Clear();
        await Cluster.StartAsync();
        await Cluster.RecoveredAsync();
    }

    // A shutdown waits for nobody, but a session that is asked to end rolls back.
    async Task LeaveAsync()
    {
        foreach (var session in _sessions.Values)
        {
            await session.DisposeAsync();
        }
        _sessions.Clear();
    }

    async Task<NpgsqlConnection> OpenAsync(string database)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Cluster.ConnectionString(database: database)) { Options = "-c lock_timeout=3s" }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    async Task<bool> TryAsync(NpgsqlConnection connection, IEnumerable<string> statements)
    {
        foreach (var statement in statements)
        {
            StatementCount++;
            try
            {
                await using var command = new NpgsqlCommand(statement, connection);
                await command.ExecuteNonQueryAsync();
            }
            catch (PostgresException e) when (Refusals.Contains(e.SqlState))
            {
                RefusedCount++;
                Notes.Add($"refused: {statement}: {e.MessageText}");
                return false;
            }
            catch (PostgresException e)
            {
                throw new InvalidOperationException($"{statement}: {e.Message}", e);
            }
        }
        return true;
    }

    static void AssertNone(string what, IReadOnlyList<string> differences) =>
        Assert.True(differences.Count == 0, $"{what}:\n  {string.Join("\n  ", differences.Take(30))}\n  ({differences.Count} in all)");

    sealed record KeptBackup(BackupId Id, string? Copy);

    sealed class Interruption(Action<BackupProgress> report) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => report(value);
    }
}
