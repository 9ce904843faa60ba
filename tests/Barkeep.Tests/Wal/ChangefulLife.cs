using System.Collections.Concurrent;
using Barkeep.Tests.Rig;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>The WAL of a real server that has done everything by which blocks change, and PostgreSQL's own summaries of it where it makes them.</summary>
sealed class ChangefulLife
{
    static readonly ConcurrentDictionary<int, Lazy<Task<ChangefulLife>>> Made = new();

    public required WalSample Wal { get; init; }

    /// <summary>What pg_walsummary prints of each summary; none before version 17.</summary>
    public required IReadOnlyList<(Lsn From, Lsn To, IReadOnlyList<string> Lines)> Summaries { get; init; }

    public static Task<ChangefulLife> OfAsync(int version) => Made.GetOrAdd(version, v => new(() => MakeAsync(v))).Value;

    static async Task<ChangefulLife> MakeAsync(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions
        {
            Version = version,
            Configuration =
            [
                "wal_keep_size = 4GB", "max_wal_size = 1GB", "max_prepared_transactions = 5", "autovacuum = off", "max_locks_per_transaction = 1000",
                .. version >= 17 ? ["summarize_wal = on"] : Array.Empty<string>(),
            ],
        });
        var place = await cluster.NewDirectoryAsync("space");
        foreach (var statement in Statements(version, place))
        {
            await cluster.SqlAsync(statement);
        }
        var summaries = version >= 17 ? await SummariesAsync(cluster) : [];
        await cluster.StopAsync();
        return new() { Wal = await WalSample.CollectAsync(cluster, new(1 << 20), place), Summaries = summaries };
    }

    static IEnumerable<string> Statements(int version, string place) =>
    [
        // Every kind of index, the visibility map, the end of a table cut off.
        "CREATE TABLE t (i int, s text, a int[], p point)",
        "INSERT INTO t SELECT i, repeat('z', i % 300), ARRAY[i, i + 1], point(i, -i) FROM generate_series(1, 6000) i",
        "CREATE INDEX t_i ON t (i); CREATE INDEX ON t USING hash (s); CREATE INDEX ON t USING brin (i)",
        "CREATE INDEX ON t USING gin (a); CREATE INDEX ON t USING gist (p); CREATE INDEX ON t USING spgist (p)",
        "VACUUM FREEZE t",
        "DELETE FROM t WHERE i > 3000",
        "VACUUM t",
        // So that a summary ends here, before all of this is replaced.
        "CHECKPOINT",
        "UPDATE t SET s = s || 'q' WHERE i % 50 = 0",
        "INSERT INTO t SELECT i, 'again', ARRAY[i], point(i, 0) FROM generate_series(1, 500) i",
        // Relations made anew, in place, elsewhere, and dropped.
        "CREATE TABLE n AS SELECT * FROM t; TRUNCATE n; INSERT INTO n SELECT * FROM t LIMIT 100",
        "TRUNCATE n",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        "REFRESH MATERIALIZED VIEW m",
        "VACUUM FULL t",
        "CLUSTER t USING t_i",
        "REINDEX TABLE t",
        $"CREATE TABLESPACE space LOCATION '{place}'",
        "ALTER TABLE t SET TABLESPACE space",
        "CREATE TABLE o TABLESPACE space AS SELECT * FROM t",
        "DROP TABLE o",
        "ALTER TABLE t SET TABLESPACE pg_default",
        "CREATE UNLOGGED TABLE u (i int PRIMARY KEY)",
        "INSERT INTO u SELECT generate_series(1, 1000)",
        "TRUNCATE u",
        "ALTER TABLE u SET LOGGED",
        "ALTER TABLE u SET UNLOGGED",
        "CREATE SEQUENCE q; SELECT nextval('q')",
        "CREATE TEMPORARY TABLE gone AS SELECT * FROM t",
        // Transactions that end otherwise.
        "BEGIN; SAVEPOINT a; CREATE TABLE lost AS SELECT * FROM t; ROLLBACK TO a; CREATE TABLE kept (i int); COMMIT",
        "BEGIN; CREATE TABLE lost AS SELECT * FROM t; ROLLBACK",
        "BEGIN; DROP TABLE n; SAVEPOINT a; CREATE TABLE later AS SELECT * FROM t; PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "BEGIN; DROP TABLE later; CREATE TABLE never AS SELECT * FROM t; PREPARE TRANSACTION 'x'",
        "ROLLBACK PREPARED 'x'",
        // Databases.
        "CREATE DATABASE d1",
        .. version >= 15 ? ["CREATE DATABASE d2 STRATEGY file_copy", "CREATE DATABASE d3 STRATEGY wal_log"] : (IEnumerable<string>)["CREATE DATABASE d3"],
        "ALTER DATABASE d1 SET TABLESPACE space",
        "DROP DATABASE d1",
        "DROP DATABASE d3",
        // Images of pages, compressed in every way, and for hint bits alone.
        .. (version >= 15 ? (IEnumerable<string>)["pglz", "lz4", "zstd", "off"] : ["on", "off"]).SelectMany(static how => (string[])
        [
            "CHECKPOINT",
            $"SET wal_compression = '{how}'; UPDATE t SET s = s || 'w' WHERE i % 10 = 0; CREATE INDEX ON t (s); DELETE FROM t WHERE i % 11 = 1",
        ]),
        "CHECKPOINT",
        "SELECT count(*) FROM t",
        // One record over several segments, between others.
        "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i; SELECT pg_logical_emit_message(true, 'x', repeat('abcdefgh', 400000)); UPDATE t SET s = 'y' WHERE i < 50",
        // A commit of many pages.
        "DO $$ BEGIN FOR i IN 1..5000 LOOP EXECUTE 'CREATE TABLE many_' || i || ' (i int)'; END LOOP; END $$",
        """
        DO $$ BEGIN
            FOR i IN 1..3000 LOOP BEGIN EXECUTE 'DROP TABLE many_' || i; EXCEPTION WHEN undefined_table THEN NULL; END; END LOOP;
            FOR i IN 3001..5000 LOOP EXECUTE 'DROP TABLE many_' || i; END LOOP;
        END $$
        """,
        "INSERT INTO t SELECT i, 'end' FROM generate_series(1, 100) i",
    ];

    static async Task<IReadOnlyList<(Lsn, Lsn, IReadOnlyList<string>)>> SummariesAsync(TestCluster cluster)
    {
        // A summary ends at each checkpoint's begin, once a later record is there.
        await cluster.SqlAsync("CHECKPOINT");
        var goal = await cluster.ScalarAsync<string>("SELECT redo_lsn::text FROM pg_control_checkpoint()");
        await cluster.SqlAsync("CREATE TABLE after_the_last_summary (i int)");
        await Eventually.IsTrueAsync(
            () => cluster.ScalarAsync<bool>($"SELECT coalesce(max(end_lsn) >= '{goal}', false) FROM pg_available_wal_summaries()"), "the summaries are there");
        var found = new List<(Lsn, Lsn, IReadOnlyList<string>)>();
        foreach (var row in await cluster.ListAsync("SELECT start_lsn || ' ' || end_lsn FROM pg_available_wal_summaries() ORDER BY start_lsn"))
        {
            var (from, to) = (Lsn.Parse(row.Split(' ')[0]), Lsn.Parse(row.Split(' ')[1]));
            var file = Path.Combine(cluster.DataDirectory, "pg_wal/summaries", $"00000001{from.Value:X16}{to.Value:X16}.summary");
            found.Add((from, to, (await cluster.RunAsync("pg_walsummary", "--individual", file)).Checked().OutputLines));
        }
        return found;
    }
}
