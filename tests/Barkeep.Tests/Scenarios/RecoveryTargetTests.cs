using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Restores to each kind of target, on real servers: exactly the rows are there that were committed by then.</summary>
public sealed class RecoveryTargetTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task Each_kind_of_target_brings_back_exactly_what_was_committed_by_then(int version)
    {
        await using var source = await SourceAsync(version);
        using var backup = new HandMadeBackup(source);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await writer.CommitAsync(source, 2);
        await backup.TakeAsync();
        await writer.CommitAsync(source, 4);
        await source.SqlAsync("SELECT pg_create_restore_point('hier größer')");
        await source.SqlAsync("SELECT pg_switch_wal()");
        await writer.CommitAsync(source, 4);
        await backup.ReceiveAsync();
        var five = writer.Rows[4];

        var cases = new (RecoveryTarget Target, int Rows)[]
        {
            (RecoveryTarget.Immediate, 2),
            (RecoveryTarget.AtTime(five.Time), 5),
            (RecoveryTarget.AtTime(five.Time) with { IsInclusive = false }, 4),
            (RecoveryTarget.AtXid(five.Xid), 5),
            (RecoveryTarget.AtXid(five.Xid) with { IsInclusive = false }, 4),
            (RecoveryTarget.AtLsn(five.Commit), 5),
            (RecoveryTarget.AtLsn(five.Commit) with { IsInclusive = false }, 4),
            (RecoveryTarget.AtName("hier größer"), 6),
        };
        foreach (var (target, rows) in cases)
        {
            using var scratch = new Scratch("restored");
            var result = await RestoreJob.RunAsync(Options(backup, scratch.Path) with { Until = target, Action = TargetAction.Promote }, null, default);
            // No more WAL than the target needs, even of the segment in which it lies.
            Assert.Equal(result.Plan.Stop!.Stop.End, result.Plan.Route.End);
            await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            await restored.StartAsync();
            await restored.RecoveredAsync();
            Assert.True(
                RowWriter.Numbers(writer.Rows.Take(rows)).SequenceEqual(await RowWriter.FoundAsync(restored)),
                $"{target}, inclusive {target.IsInclusive}: {string.Join(' ', await RowWriter.FoundAsync(restored))} instead of {rows} rows\n{await File.ReadAllTextAsync(restored.LogFile)}");
            await restored.SqlAsync("INSERT INTO t VALUES (100)");
        }
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task At_the_target_it_pauses_promotes_or_shuts_down_as_told(int version)
    {
        await using var source = await SourceAsync(version);
        using var backup = new HandMadeBackup(source);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await backup.TakeAsync();
        await writer.CommitAsync(source, 3);
        await backup.ReceiveAsync();
        var target = RecoveryTarget.AtXid(writer.Rows[1].Xid);

        // To pause is the default, and to go on afterwards opens it.
        using (var scratch = new Scratch("paused"))
        {
            await RestoreJob.RunAsync(Options(backup, scratch.Path) with { Until = target }, null, default);
            await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            await restored.StartAsync();
            await Eventually.IsTrueAsync(() => restored.ScalarAsync<bool>("SELECT pg_is_wal_replay_paused()"), "recovery pauses");
            Assert.Equal(["1", "2"], await RowWriter.FoundAsync(restored));
            await Assert.ThrowsAsync<Npgsql.PostgresException>(() => restored.SqlAsync("INSERT INTO t VALUES (100)"));
            await restored.SqlAsync("SELECT pg_wal_replay_resume()");
            await restored.RecoveredAsync();
            await restored.SqlAsync("INSERT INTO t VALUES (100)");
            Assert.Equal(["1", "2", "100"], await RowWriter.FoundAsync(restored));
        }

        using (var scratch = new Scratch("stopped"))
        {
            await RestoreJob.RunAsync(Options(backup, scratch.Path) with { Until = target, Action = TargetAction.Shutdown }, null, default);
            await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            // Whether it is seen to start before it stops is a matter of chance.
            _ = await Xunit.Record.ExceptionAsync(() => restored.StartAsync());
            await Eventually.IsTrueAsync(() => !restored.IsRunning, "it shuts down");
            Assert.Equal(ClusterState.ShutDownInRecovery, ControlFile.Parse(await File.ReadAllBytesAsync(Path.Combine(scratch.Path, "global/pg_control"))).State);
            Assert.Contains("recovery stopping after commit", await File.ReadAllTextAsync(restored.LogFile), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_pause_is_open_for_reading_though_the_originals_limits_were_raised_after_the_backup(int version)
    {
        await using var source = await SourceAsync(version);
        using var backup = new HandMadeBackup(source);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await backup.TakeAsync();
        await source.ConfigureAsync("max_connections = 150", "max_prepared_transactions = 7", "max_locks_per_transaction = 80");
        await source.RestartAsync();
        await writer.CommitAsync(source, 2);
        await backup.ReceiveAsync();
        foreach (var command in (string?[])[null, $"cp {source.DataDirectory}/pg_wal/%f %p"])
        {
            using var scratch = new Scratch("paused");
            await RestoreJob.RunAsync(Options(backup, scratch.Path) with { Until = RecoveryTarget.AtXid(writer.Rows[0].Xid), RestoreCommand = command }, null, default);
            await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            await restored.StartAsync();
            await Eventually.IsTrueAsync(() => restored.ScalarAsync<bool>("SELECT pg_is_wal_replay_paused()"), "recovery pauses");
            Assert.Equal(["1"], await RowWriter.FoundAsync(restored));
        }
    }

    [Fact]
    public async Task With_WAL_from_elsewhere_a_tablespace_that_was_made_after_the_backup_is_never_that_of_the_original()
    {
        await using var source = await SourceAsync(15);
        using var backup = new HandMadeBackup(source);
        await backup.TakeAsync();
        var place = await source.NewDirectoryAsync("later");
        await source.SqlAsync($"CREATE TABLESPACE later LOCATION '{place}'");
        await source.SqlAsync("CREATE TABLE t TABLESPACE later AS SELECT 1 AS i");
        await source.SqlAsync("SELECT pg_switch_wal()");
        await backup.ReceiveAsync();
        using var scratch = new Scratch("restored");
        var options = Options(backup, scratch.Path) with { RestoreCommand = "cp /nowhere/%f %p" };

        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.Equal(ErrorKind.TargetInUse, refusal.Kind);
        Assert.Contains(place, refusal.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Path));

        // Before it was created there is nothing to fear, and on another machine a word is enough.
        await RestoreJob.PlanAsync(options with { Until = RecoveryTarget.Immediate }, default);
        Directory.Move(place, place + ".away");
        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Contains(plan.Warnings, w => w.Contains(place, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(14, Traits = ["Category", "slow"])]
    [InlineData(16, Traits = ["Category", "slow"])]
    public async Task A_transaction_that_was_prepared_is_a_target_by_its_own_number(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off", "max_prepared_transactions = 5", RowWriter.Setting] });
        using var backup = new HandMadeBackup(source);
        await RowWriter.PrepareAsync(source);
        await backup.TakeAsync();
        await using var connection = await source.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand("BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; CREATE TABLE u (i int); INSERT INTO u VALUES (1); SELECT pg_current_xact_id()::text", connection);
        var xid = uint.Parse((string)(await command.ExecuteScalarAsync())!, System.Globalization.CultureInfo.InvariantCulture);
        command.CommandText = "PREPARE TRANSACTION 'one'";
        await command.ExecuteNonQueryAsync();
        await source.SqlAsync("INSERT INTO t VALUES (2)");
        command.CommandText = "COMMIT PREPARED 'one'";
        await command.ExecuteNonQueryAsync();
        await source.SqlAsync("INSERT INTO t VALUES (3)");
        await backup.ReceiveAsync();
        foreach (var (inclusive, rows) in new (bool, string[])[] { (true, ["1", "2"]), (false, ["2"]) })
        {
            using var scratch = new Scratch("restored");
            await RestoreJob.RunAsync(Options(backup, scratch.Path) with { Until = RecoveryTarget.AtXid(xid) with { IsInclusive = inclusive }, Action = TargetAction.Promote }, null, default);
            await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            await restored.StartAsync();
            await restored.RecoveredAsync();
            Assert.Equal(rows, await RowWriter.FoundAsync(restored));
        }
    }

    [Fact]
    public async Task A_clone_is_taken_to_another_target_and_back_with_delta()
    {
        await using var source = await SourceAsync(15);
        using var backup = new HandMadeBackup(source);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await backup.TakeAsync();
        await writer.CommitAsync(source, 4);
        await backup.ReceiveAsync();
        using var scratch = new Scratch("clone");
        var options = Options(backup, scratch.Path) with { IsDelta = true };
        await RestoreJob.RunAsync(options with { IsStandby = true }, null, default);
        foreach (var (target, rows) in new[] { (RecoveryTarget.AtXid(writer.Rows[2].Xid), 3), (RecoveryTarget.AtTime(writer.Rows[0].Time), 1), (null, 4), (RecoveryTarget.AtLsn(writer.Rows[1].Commit), 2) })
        {
            await RestoreJob.RunAsync(options with { Until = target, Action = target is null ? null : TargetAction.Promote }, null, default);
            Assert.Equal(["recovery.signal"], Directory.EnumerateFiles(scratch.Path, "*.signal").Select(static f => Path.GetFileName(f)));
            await using var clone = await TestCluster.OnDirectoryAsync(scratch.Path, source);
            await clone.StartAsync();
            await clone.RecoveredAsync();
            Assert.Equal(RowWriter.Numbers(writer.Rows.Take(rows)), await RowWriter.FoundAsync(clone));
            await clone.StopAsync();
        }
    }

    [Fact]
    public async Task A_limit_on_reading_is_kept()
    {
        await using var source = await SourceAsync(15);
        using var backup = new HandMadeBackup(source);
        await backup.TakeAsync();
        using var scratch = new Scratch("restored");
        var stored = Directory.EnumerateFiles(backup.RepositoryDirectory, "*", SearchOption.AllDirectories).Where(static f => f.Contains("/packs/", StringComparison.Ordinal)).Sum(static f => new FileInfo(f).Length);
        const int KilobytesPerSecond = 2048;
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await RestoreJob.RunAsync(Options(backup, scratch.Path) with { BandwidthLimit = KilobytesPerSecond }, null, default);
        // Not all of a pack is frames, and what each of the threads takes last need not be waited for.
        Assert.True(clock.Elapsed.TotalSeconds > 0.5 * stored / 1024 / KilobytesPerSecond, $"{stored} bytes in {clock.Elapsed}");
    }

    [Fact]
    public async Task The_backup_that_suits_is_chosen_or_named()
    {
        await using var source = await SourceAsync(15);
        using var backup = new HandMadeBackup(source);
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        var first = await backup.TakeAsync();
        await writer.CommitAsync(source, 2);
        var second = await backup.TakeAsync();
        await writer.CommitAsync(source, 2);
        var third = await backup.TakeAsync();
        await writer.CommitAsync(source, 2);
        await backup.ReceiveAsync();
        using var scratch = new Scratch("restored");
        var options = Options(backup, scratch.Path);
        var target = RecoveryTarget.AtXid(writer.Rows[2].Xid);

        // Chosen.
        var plan = await RestoreJob.PlanAsync(options with { Until = target, SuitsTarget = true }, default);
        Assert.Equal(second, plan.Backup);
        Assert.Equal(writer.Rows[2].Xid, plan.Stop!.LastCommit!.Value.Xid);
        Assert.Contains($"transaction {writer.Rows[2].Xid}", plan.ToString(), StringComparison.Ordinal);
        Assert.Equal(first, (await RestoreJob.PlanAsync(options with { Until = RecoveryTarget.AtLsn(writer.Rows[1].Commit), SuitsTarget = true }, default)).Backup);
        Assert.Equal(third, (await RestoreJob.PlanAsync(options with { Until = RecoveryTarget.Immediate, SuitsTarget = true }, default)).Backup);
        Assert.Equal(third, (await RestoreJob.PlanAsync(options with { SuitsTarget = true }, default)).Backup);

        // Named, whether the newest or a certain one was asked for.
        foreach (var asked in (RestoreOptions[])[options, options with { Backup = third }])
        {
            var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(asked with { Until = target }, default));
            Assert.Equal(ErrorKind.TargetUnreachable, refusal.Kind);
            Assert.Contains(second.ToString(), refusal.Hint, StringComparison.Ordinal);
        }

        // There is none.
        var none = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options with { Until = RecoveryTarget.AtXid(3_000_000_000), SuitsTarget = true }, default));
        Assert.Equal(ErrorKind.TargetUnreachable, none.Kind);
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Path));
    }

    [Fact]
    public async Task Of_the_cluster_that_the_server_was_before_a_backup_is_taken_only_where_the_present_one_has_none()
    {
        await using var former = await SourceAsync(15);
        using var old = new HandMadeBackup(former) { Clock = TimeProvider.System.GetUtcNow() };
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(former);
        var first = await old.TakeAsync();
        await writer.CommitAsync(former, 3);
        await old.ReceiveAsync();
        await using var present = await SourceAsync(15);
        var control = ControlFile.Parse(await File.ReadAllBytesAsync(Path.Combine(present.DataDirectory, "global/pg_control")));
        await (await Repository.OpenAsync(old.RepositoryDirectory, default)).AdoptAsync(new(control.SystemIdentifier, 15, control.SegmentSize), acceptNew: true, old.Clock, default);
        using var scratch = new Scratch("restored");
        var options = Options(old, scratch.Path);
        var plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal(first, plan.Backup);
        Assert.Contains(plan.Warnings, static w => w.StartsWith("no backup of the present cluster can be restored: this is one of the cluster with system identifier", StringComparison.Ordinal));

        using var young = new HandMadeBackup(present, old.Home) { Clock = old.Clock.AddMinutes(1) };
        var second = await young.TakeAsync();
        plan = await RestoreJob.PlanAsync(options, default);
        Assert.Equal(second, plan.Backup);
        Assert.Empty(plan.Warnings);

        // A time means the same to both; a transaction's number does not.
        plan = await RestoreJob.PlanAsync(options with { Until = RecoveryTarget.AtTime(writer.Rows[1].Time), SuitsTarget = true }, default);
        Assert.Equal((first, writer.Rows[1].Xid), (plan.Backup, plan.Stop!.LastCommit!.Value.Xid));
        Assert.Contains(plan.Warnings, static w => w.StartsWith("no backup of the present cluster can be restored to this target", StringComparison.Ordinal));
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.PlanAsync(options with { Until = RecoveryTarget.AtXid(writer.Rows[1].Xid), SuitsTarget = true }, default));
        Assert.Equal(ErrorKind.TargetUnreachable, refusal.Kind);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(18)]
    [InlineData(14)]
    [InlineData(16)]
    [Trait("Category", "slow")]
    public async Task Around_a_backups_end_what_PostgreSQL_itself_would_refuse_is_refused_and_nothing_else(int version)
    {
        await using var source = await SourceAsync(version);
        using var backup = new HandMadeBackup(source) { Clock = TimeProvider.System.GetUtcNow() };
        var writer = new RowWriter();
        await RowWriter.PrepareAsync(source);
        await writer.CommitAsync(source);
        var id = await backup.TakeAsync(() => writer.CommitAsync(source));
        await writer.CommitAsync(source, 2);
        await backup.ReceiveAsync();
        var info = (await (await backup.LineageAsync()).Backups.ReadManifestAsync(id, default)).Info;
        var end = info.EndLsn;
        var dump = await source.RunAsync("pg_waldump", "--path", Path.Combine(source.DataDirectory, "pg_wal"), "--rmgr", "XLOG", "--start", $"{info.BeginLsn}", "--end", $"{end}");
        var last = Lsn.Parse(dump.OutputLines.Single(static l => l.Contains("BACKUP_END", StringComparison.Ordinal)).Split("lsn: ")[1].Split(',')[0]);
        var (during, after) = (writer.Rows[1], writer.Rows[2]);

        // How many rows there are; null where recovery would stop before the cluster is consistent.
        var cases = new (RecoveryTarget Target, int? Rows)[]
        {
            (RecoveryTarget.Immediate, 2),
            (RecoveryTarget.AtLsn(last), 2),
            (RecoveryTarget.AtLsn(last) with { IsInclusive = false }, null),
            (RecoveryTarget.AtLsn(new(last.Value + 1)), 2),
            (RecoveryTarget.AtLsn(new(last.Value + 1)) with { IsInclusive = false }, 2),
            (RecoveryTarget.AtLsn(end), 2),
            (RecoveryTarget.AtLsn(end) with { IsInclusive = false }, 2),
            (RecoveryTarget.AtXid(during.Xid), null),
            (RecoveryTarget.AtXid(during.Xid) with { IsInclusive = false }, null),
            (RecoveryTarget.AtTime(during.Time), 2),
            (RecoveryTarget.AtTime(during.Time) with { IsInclusive = false }, null),
            (RecoveryTarget.AtXid(after.Xid), 3),
            (RecoveryTarget.AtXid(after.Xid) with { IsInclusive = false }, 2),
            (RecoveryTarget.AtTime(after.Time), 3),
            (RecoveryTarget.AtTime(after.Time) with { IsInclusive = false }, 2),
            (RecoveryTarget.AtLsn(after.Commit), 3),
            (RecoveryTarget.AtLsn(after.Commit) with { IsInclusive = false }, 2),
        };
        foreach (var (target, rows) in cases)
        {
            using var scratch = new Scratch("edge");
            var options = Options(backup, scratch.Path) with { Until = target, Action = TargetAction.Promote };
            if (rows is { } expected)
            {
                await AssertRowsAsync(source, options, writer.Rows.Take(expected));
            }
            else
            {
                await AssertRefusedByBothAsync(source, options, target);
            }
        }
    }

    static async Task AssertRowsAsync(TestCluster source, RestoreOptions options, IEnumerable<CommittedRow> rows)
    {
        await RestoreJob.RunAsync(options, null, default);
        await using var restored = await TestCluster.OnDirectoryAsync(options.Target, source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        var found = await RowWriter.FoundAsync(restored);
        Assert.True(RowWriter.Numbers(rows).SequenceEqual(found), $"{options.Until}, inclusive {options.Until!.IsInclusive}: {string.Join(' ', found)}");
    }

    static async Task AssertRefusedByBothAsync(TestCluster source, RestoreOptions options, RecoveryTarget target)
    {
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => RestoreJob.RunAsync(options, null, default));
        Assert.True(refusal.Kind == ErrorKind.TargetUnreachable, refusal.Line);
        await RestoreJob.RunAsync(options with { Until = null, Action = null }, null, default);
        await File.AppendAllLinesAsync(
            Path.Combine(options.Target, "postgresql.auto.conf"),
            [$"recovery_target_{target.Kind.ToString().ToLowerInvariant()} = '{target.Value}'", $"recovery_target_inclusive = {(target.IsInclusive ? "on" : "off")}", "recovery_target_action = promote"]);
        await using var told = await TestCluster.OnDirectoryAsync(options.Target, source);
        // Whether it is seen to start before it ends is a matter of chance.
        _ = await Xunit.Record.ExceptionAsync(() => told.StartAsync());
        await Eventually.IsTrueAsync(() => !told.IsRunning, "PostgreSQL gives up");
        Assert.Contains("requested recovery stop point is before consistent recovery point", await File.ReadAllTextAsync(told.LogFile), StringComparison.Ordinal);
    }

    static Task<TestCluster> SourceAsync(int version) =>
        TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off", RowWriter.Setting] });

    static RestoreOptions Options(HandMadeBackup backup, string target) =>
        new() { Locations = backup.Locations, Server = ServerName.Parse(HandMadeBackup.Server), Target = target };
}
