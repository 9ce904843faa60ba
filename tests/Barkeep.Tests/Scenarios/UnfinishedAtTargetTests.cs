using System.Globalization;
using System.Text.RegularExpressions;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Npgsql;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>What transactions that are in progress where recovery stops keep from being looked at.</summary>
public sealed partial class UnfinishedAtTargetTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task What_cannot_be_read_while_PostgreSQL_pauses_is_told_with_the_position_at_which_it_can(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off"] });
        using var backup = new HandMadeBackup(source);
        foreach (var table in (string[])["dropped", "emptied", "other"])
        {
            await source.SqlAsync($"CREATE TABLE {table} AS SELECT generate_series(1, 100) AS i");
        }
        await backup.TakeAsync();
        await using var connection = await source.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT oid::text || ' ' || 'dropped'::regclass::oid || ' ' || 'emptied'::regclass::oid FROM pg_database WHERE datname = current_database()", connection);
        var numbers = ((string)(await command.ExecuteScalarAsync())!).Split(' ');
        command.CommandText = "BEGIN; DROP TABLE dropped; SAVEPOINT s; TRUNCATE emptied; RELEASE s; CREATE TABLE made AS SELECT 1 AS i; SELECT pg_current_xact_id()::text || ' ' || 'made'::regclass::oid";
        var said = ((string)(await command.ExecuteScalarAsync())!).Split(' ');
        await source.SqlAsync("DELETE FROM other");
        command.CommandText = "COMMIT";
        await command.ExecuteNonQueryAsync();
        await backup.ReceiveAsync();
        using var scratch = new Scratch("paused");
        var options = new RestoreOptions
        {
            Locations = backup.Locations,
            Server = ServerName.Parse(HandMadeBackup.Server),
            Target = scratch.Path,
            Until = RecoveryTarget.AtXid(uint.Parse(said[0], CultureInfo.InvariantCulture)) with { IsInclusive = false },
        };

        // Where it opens by itself nothing stays locked.
        Assert.Empty((await RestoreJob.PlanAsync(options with { Action = TargetAction.Promote }, default)).Warnings);
        var warnings = (await RestoreJob.RunAsync(options, null, default)).Warnings;
        var dropped = Assert.Single(warnings, w => w.Contains($"relation {numbers[1]} of database {numbers[0]} locked", StringComparison.Ordinal));
        Assert.StartsWith($"transaction {said[0]} is in progress where recovery stops", dropped, StringComparison.Ordinal);
        Assert.Single(warnings, w => w.Contains($"relation {numbers[2]} of database {numbers[0]}", StringComparison.Ordinal));
        Assert.DoesNotContain(warnings, w => w.Contains($"relation {said[1]} ", StringComparison.Ordinal));
        await using (var paused = await PausedAsync(scratch.Path, source))
        {
            Assert.Equal(0, await paused.ScalarAsync<long>("SELECT count(*) FROM other"));
            foreach (var table in (string[])["dropped", "emptied"])
            {
                var waited = await Assert.ThrowsAsync<PostgresException>(() => paused.SqlAsync($"SET lock_timeout = '300ms'; SELECT count(*) FROM {table}"));
                Assert.Equal(PostgresErrorCodes.LockNotAvailable, waited.SqlState);
            }
            await paused.SqlAsync("SELECT pg_wal_replay_resume()");
            await paused.RecoveredAsync();
            Assert.Equal(100, await paused.ScalarAsync<long>("SELECT count(*) FROM dropped"));
        }

        // Before that transaction everything can be read, and what others did meanwhile has not happened yet.
        using var earlier = new Scratch("earlier");
        var begin = Lsn.Parse(Position().Match(dropped).Groups[1].Value);
        var result = await RestoreJob.RunAsync(options with { Target = earlier.Path, Until = RecoveryTarget.AtLsn(begin) with { IsInclusive = false } }, null, default);
        Assert.Empty(result.Warnings);
        await using var readable = await PausedAsync(earlier.Path, source);
        foreach (var table in (string[])["dropped", "emptied", "other"])
        {
            Assert.Equal(100, await readable.ScalarAsync<long>($"SET lock_timeout = '300ms'; SELECT count(*) FROM {table}"));
        }
    }

    [Theory]
    [InlineData(13, false)]
    [InlineData(18, true)]
    public async Task What_a_prepared_transaction_keeps_locked_is_told_beyond_a_restart_and_what_died_there_is_not(int version, bool crashes)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions
        {
            Version = version,
            Configuration = ["autovacuum = off", "max_prepared_transactions = 2", "wal_keep_size = 64MB"],
        });
        using var backup = new HandMadeBackup(source);
        foreach (var table in (string[])["dropped", "emptied", "other", "spared"])
        {
            await source.SqlAsync($"CREATE TABLE {table} AS SELECT generate_series(1, 100) AS i");
        }
        await backup.TakeAsync();
        var numbers = (await source.ScalarAsync<string>(
            "SELECT oid::text || ' ' || 'dropped'::regclass::oid || ' ' || 'emptied'::regclass::oid || ' ' || 'spared'::regclass::oid FROM pg_database WHERE datname = current_database()")).Split(' ');
        await using (var dies = await source.OpenAsync())
        {
            await using var drop = new NpgsqlCommand("BEGIN; DROP TABLE spared", dies);
            await drop.ExecuteNonQueryAsync();
            // A lock that only a subtransaction's number is written with, too.
            await source.SqlAsync("BEGIN; DROP TABLE dropped; SAVEPOINT s; TRUNCATE emptied; RELEASE s; PREPARE TRANSACTION 'pending'");
            // In the segment of the restart nothing tells of it.
            await source.SqlAsync("SELECT pg_switch_wal()");
            await (crashes ? source.KillAsync() : source.StopAsync());
        }
        NpgsqlConnection.ClearAllPools();
        await source.StartAsync();
        // Right after it: every 15 seconds the server writes down what runs.
        var last = await source.ScalarAsync<string>("WITH d AS (DELETE FROM other RETURNING i) SELECT pg_current_xact_id()::text FROM d LIMIT 1");
        await backup.ReceiveAsync();
        using var scratch = new Scratch("paused");
        var options = new RestoreOptions
        {
            Locations = backup.Locations,
            Server = ServerName.Parse(HandMadeBackup.Server),
            Target = scratch.Path,
            Until = RecoveryTarget.AtXid(uint.Parse(last, CultureInfo.InvariantCulture)),
        };

        var warnings = (await RestoreJob.RunAsync(options, null, default)).Warnings;
        foreach (var relation in numbers[1..3])
        {
            var locked = Assert.Single(warnings, w => w.Contains($"relation {relation} of database {numbers[0]} locked", StringComparison.Ordinal));
            Assert.Matches(Position(), locked);
        }
        Assert.DoesNotContain(warnings, w => w.Contains($"relation {numbers[3]} ", StringComparison.Ordinal));
        await using var paused = await PausedAsync(scratch.Path, source);
        Assert.Equal(100, await paused.ScalarAsync<long>("SET lock_timeout = '300ms'; SELECT count(*) FROM spared"));
        foreach (var table in (string[])["dropped", "emptied"])
        {
            var waited = await Assert.ThrowsAsync<PostgresException>(() => paused.SqlAsync($"SET lock_timeout = '300ms'; SELECT count(*) FROM {table}"));
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, waited.SqlState);
        }
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task What_a_prepared_transaction_holds_is_told_with_what_ends_it_whoever_opens_the_server(int version)
    {
        await using var source = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off", "max_prepared_transactions = 5"] });
        using var backup = new HandMadeBackup(source);
        await source.SqlAsync("CREATE TABLE twop AS SELECT generate_series(1, 100) AS i");
        await backup.TakeAsync();
        await source.SqlAsync("BEGIN; DROP TABLE twop; PREPARE TRANSACTION 'it''s'");
        await source.SqlAsync("SELECT pg_create_restore_point('after')");
        await source.SqlAsync("CREATE TABLE later (i int)");
        await backup.ReceiveAsync();
        using var scratch = new Scratch("prepared");
        var options = new RestoreOptions
        {
            Locations = backup.Locations,
            Server = ServerName.Parse(HandMadeBackup.Server),
            Target = scratch.Path,
            Until = RecoveryTarget.AtName("after"),
        };

        foreach (var action in (TargetAction?[])[null, TargetAction.Shutdown, TargetAction.Promote])
        {
            var warning = Assert.Single((await RestoreJob.PlanAsync(options with { Action = action }, default)).Warnings, static w => w.Contains("locked", StringComparison.Ordinal));
            Assert.Contains("until COMMIT PREPARED 'it''s' or ROLLBACK PREPARED 'it''s'", warning, StringComparison.Ordinal);
            Assert.DoesNotContain("has it open by itself", warning, StringComparison.Ordinal);
        }
        await RestoreJob.RunAsync(options with { Action = TargetAction.Promote }, null, default);
        await using var restored = await TestCluster.OnDirectoryAsync(scratch.Path, source);
        await restored.StartAsync();
        await restored.RecoveredAsync();
        var waited = await Assert.ThrowsAsync<PostgresException>(() => restored.SqlAsync("SET lock_timeout = '300ms'; SELECT count(*) FROM twop"));
        Assert.Equal(PostgresErrorCodes.LockNotAvailable, waited.SqlState);
        await restored.SqlAsync("ROLLBACK PREPARED 'it''s'");
        Assert.Equal(100, await restored.ScalarAsync<long>("SELECT count(*) FROM twop"));
    }

    static async Task<TestCluster> PausedAsync(string directory, TestCluster source)
    {
        var restored = await TestCluster.OnDirectoryAsync(directory, source);
        await restored.StartAsync();
        await Eventually.IsTrueAsync(() => restored.ScalarAsync<bool>("SELECT pg_is_wal_replay_paused()"), "recovery pauses");
        return restored;
    }

    [GeneratedRegex("--target-lsn ([0-9A-F/]+) --exclusive stops before that transaction")]
    private static partial Regex Position();
}
