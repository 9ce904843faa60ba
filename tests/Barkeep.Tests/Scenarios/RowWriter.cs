using System.Globalization;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Npgsql;

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// Commits one row after the other and notes what the server says of each, so that what must be there at any target is known without Barkeep.
/// The servers need track_commit_timestamp.
/// </summary>
sealed class RowWriter
{
    public const string Setting = "track_commit_timestamp = on";

    readonly List<CommittedRow> _rows = [];

    public IReadOnlyList<CommittedRow> Rows => _rows;

    public static Task PrepareAsync(TestCluster cluster) => cluster.SqlAsync("CREATE TABLE t (i int)");

    /// <summary>One transaction, some of which have a subtransaction too, and beside some an aborted one.</summary>
    public async Task<CommittedRow> CommitAsync(TestCluster cluster)
    {
        var row = _rows.Count + 1;
        await using var connection = await cluster.OpenAsync();
        if (row % 3 == 0)
        {
            await ExecuteAsync(connection, "BEGIN; INSERT INTO t VALUES (-1); ROLLBACK");
        }
        await ExecuteAsync(connection, "BEGIN");
        if (row % 2 == 0)
        {
            await ExecuteAsync(connection, "SAVEPOINT s; INSERT INTO t VALUES (-2); ROLLBACK TO s");
        }
        await ExecuteAsync(connection, $"INSERT INTO t VALUES ({row})");
        var xid = uint.Parse(await TextAsync(connection, "SELECT pg_current_xact_id()::text"), CultureInfo.InvariantCulture);
        var before = Lsn.Parse(await TextAsync(connection, "SELECT pg_current_wal_insert_lsn()::text"));
        await ExecuteAsync(connection, "COMMIT");
        var after = Lsn.Parse(await TextAsync(connection, "SELECT pg_current_wal_insert_lsn()::text"));
        await using var command = new NpgsqlCommand($"SELECT pg_xact_commit_timestamp('{xid}'::xid)", connection);
        var time = new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync())!);
        var timeline = uint.Parse((await TextAsync(connection, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"))[..8], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var dump = await cluster.RunAsync("pg_waldump", "--path", Path.Combine(cluster.DataDirectory, "pg_wal"), "--timeline", $"{timeline}", "--rmgr", "Transaction", "--start", $"{before}", "--end", $"{after}");
        var line = dump.OutputLines.Single(l => l.Contains($"tx: {xid,10}", StringComparison.Ordinal) && l.Contains("COMMIT", StringComparison.Ordinal));
        var committed = new CommittedRow(row, new(timeline), xid, time, Lsn.Parse(line.Split("lsn: ")[1].Split(',')[0]));
        _rows.Add(committed);
        return committed;
    }

    public async Task CommitAsync(TestCluster cluster, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await CommitAsync(cluster);
        }
    }

    /// <summary>What a restored server has, in order.</summary>
    public static Task<IReadOnlyList<string>> FoundAsync(TestCluster cluster) => cluster.ListAsync("SELECT i FROM t ORDER BY i");

    public static IReadOnlyList<string> Numbers(IEnumerable<CommittedRow> rows) => [.. rows.Select(static r => r.Row.ToString(CultureInfo.InvariantCulture))];

    static async Task ExecuteAsync(NpgsqlConnection connection, string text)
    {
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync();
    }

    static async Task<string> TextAsync(NpgsqlConnection connection, string text)
    {
        await using var command = new NpgsqlCommand(text, connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
