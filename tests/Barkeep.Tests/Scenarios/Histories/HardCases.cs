namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>The shortest histories that show what goes wrong when a rule about block changes is forgotten.</summary>
static class HardCases
{
    public static IReadOnlyList<HistoryStep> Of(int version) =>
    [
        HistoryStep.Sql("postgres", "CREATE DATABASE d TEMPLATE template0"),
        HistoryStep.Sql("d", "CREATE TABLE t (i int, s text)", Insert(1, 20_000), "CREATE TABLE grows (i int)", "INSERT INTO grows VALUES (1)", "VACUUM t", "VACUUM grows"),
        new("CREATE TABLESPACE elsewhere", static run => run.CreateTablespaceAsync("elsewhere")),
        BackUp,
        .. Maps, .. Zeros, .. Databases(version), .. Meanwhile, .. Prepared,
        new("the newest backup is restored and started", static run => run.StartRestoredAsync(0)),
        new("all backups are compared again", static run => run.CompareAllAgainAsync()),
    ];

    static HistoryStep BackUp => new("a backup, compared", static run => run.BackUpAtRestAsync(isFull: false));

    static HistoryStep Kill => new("kill -9 and start", static run => run.CrashAsync(isKill: true));

    // The visibility map: a heap record clears its bits without referring to its block. The free space map: no record at all.
    static IEnumerable<HistoryStep> Maps =>
    [
        HistoryStep.Sql("d", "UPDATE t SET s = '' WHERE i = 7"),
        BackUp,
        HistoryStep.Sql("d", "DELETE FROM t WHERE i BETWEEN 5000 AND 9000", "VACUUM (TRUNCATE false) t"),
        BackUp,
    ];

    // A relation is truncated, and grows again by pages that the crash leaves empty; another one grows for the first time.
    static IEnumerable<HistoryStep> Zeros =>
    [
        HistoryStep.Sql("d", "DELETE FROM t WHERE i > 3000 OR i = 7", "VACUUM (TRUNCATE false) t"),
        BackUp,
        HistoryStep.Sql("d", "VACUUM (TRUNCATE) t", "CHECKPOINT"),
        new("d: BEGIN; rows into t and grows", static run => run.HoldAsync("one", "d", "BEGIN", Insert(30_001, 30_600), "INSERT INTO grows SELECT generate_series(1, 2000)")),
        Kill,
        BackUp,
        HistoryStep.Sql("d", Insert(3001, 8000)),
        BackUp,
    ];

    // The files of a database that was elsewhere for a while come back changed; so do those of another one that has its number.
    static IEnumerable<HistoryStep> Databases(int version) =>
    [
        HistoryStep.Sql("postgres", "ALTER DATABASE d SET TABLESPACE elsewhere"),
        HistoryStep.Sql("d", "UPDATE t SET s = 'elsewhere' WHERE i % 50 = 0", "VACUUM t"),
        HistoryStep.Sql("postgres", "ALTER DATABASE d SET TABLESPACE pg_default"),
        BackUp,
        .. version < 15 ? (HistoryStep[])[] :
        [
            HistoryStep.Sql("postgres", "CREATE DATABASE twin TEMPLATE d OID 99999 STRATEGY file_copy"),
            BackUp,
            HistoryStep.Sql("d", "UPDATE t SET s = 'the twin has not' WHERE i % 40 = 0"),
            HistoryStep.Sql("postgres", "DROP DATABASE twin", "CREATE DATABASE twin TEMPLATE d OID 99999 STRATEGY file_copy"),
            BackUp,
            HistoryStep.Sql("d", "UPDATE t SET s = 'again' WHERE i % 60 = 0"),
            HistoryStep.Sql("postgres", "DROP DATABASE twin", "CREATE DATABASE twin TEMPLATE d OID 99999 STRATEGY wal_log"),
            BackUp,
        ],
    ];

    // What changes while a backup reads is older in it than at its end.
    static IEnumerable<HistoryStep> Meanwhile
    {
        get
        {
            HistoryStep[] meanwhile =
            [
                .. Enumerable.Range(1, 8).Select(static i => HistoryStep.Sql("d", $"UPDATE t SET s = s || '{i}' WHERE i % 9 = {i}", "CHECKPOINT")),
                HistoryStep.Sql("d", "VACUUM FULL t", Insert(40_000, 44_000), "TRUNCATE grows"),
            ];
            return
            [
                new("a full backup, and during it updates, checkpoints, a rewrite", run => run.BackUpMeanwhileAsync(isFull: true, meanwhile)),
                BackUp,
                new("a backup, and during it updates, checkpoints, a rewrite", run => run.BackUpMeanwhileAsync(isFull: false, meanwhile)),
                BackUp,
            ];
        }
    }

    // Two-phase transactions that a backup and a crash come in between.
    static IEnumerable<HistoryStep> Prepared =>
    [
        HistoryStep.Sql("d", "CREATE TABLE goes AS SELECT * FROM t", "CREATE TABLE stays AS SELECT * FROM t", "VACUUM goes", "VACUUM stays"),
        HistoryStep.Sql("d", "BEGIN", "DROP TABLE goes", Insert(50_000, 51_000), "CREATE TABLE comes AS SELECT * FROM t", "PREPARE TRANSACTION 'goes'"),
        HistoryStep.Sql("d", "BEGIN", "TRUNCATE stays", "CREATE TABLE never AS SELECT * FROM t", "PREPARE TRANSACTION 'never'"),
        BackUp,
        Kill,
        HistoryStep.Sql("d", "COMMIT PREPARED 'goes'", "ROLLBACK PREPARED 'never'"),
        BackUp,
        new("immediate stop, start as a standby, promote", static run => run.PromoteAsync(isCrash: true)),
        HistoryStep.Sql("d", "UPDATE stays SET s = 'a new timeline' WHERE i % 100 = 0"),
        BackUp,
    ];

    static string Insert(int first, int last) => $"INSERT INTO t SELECT i, md5(i::text) FROM generate_series({first}, {last}) i";
}
