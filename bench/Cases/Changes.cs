using System.Globalization;

namespace Barkeep.Bench.Cases;

/// <summary>
/// After 0.02 % of the rows have changed: an incremental backup, bringing an older copy to that state, and another backup
/// after which nothing has changed.
/// </summary>
sealed class Changes() : Case([CaseNames.Changed, CaseNames.Delta, CaseNames.Unchanged], needsResearch: true)
{
    const string Copies = "/mnt/copies";

    public override void Run(Bench bench, Cluster? cluster)
    {
        var machine = bench.Machine;
        var ours = new BarkeepTool(machine, cluster!);
        var backRest = new PgBackRestTool(machine, cluster!);
        var baseBackup = new BaseBackupTool(machine, cluster!);
        cluster!.Set("summarize_wal", "on");

        // A full backup of each, and what it restores.
        baseBackup.Full();
        machine.Peers.Run($"mkdir {Copies}");
        ours.Reset();
        ours.Backup(full: true);
        ours.Restore($"{Copies}/barkeep");
        backRest.Reset();
        backRest.Backup("full");
        backRest.Restore($"{Copies}/pgbackrest");

        bench.EachRound(round =>
        {
            Change(cluster, round);
            var changedFrom = ours.BeginLsn();
            Bench.InTurn(
                round,
                () =>
                {
                    var sample = ours.Backup();
                    bench.Note(CaseNames.Changed, round, BarkeepTool.Name, sample with { Changed = ChangedMegabytes(cluster, changedFrom, ours.BeginLsn()) });
                },
                () => bench.Note(CaseNames.Changed, round, PgBackRestTool.Name, backRest.Backup("incr")),
                () => bench.Note(CaseNames.Changed, round, BaseBackupTool.Name, baseBackup.Incremental()));
            Bench.InTurn(
                round,
                () => bench.Note(CaseNames.Delta, round, BarkeepTool.Name, ours.Refresh($"{Copies}/barkeep")),
                () => bench.Note(CaseNames.Delta, round, PgBackRestTool.Name, backRest.Refresh($"{Copies}/pgbackrest")));
            Bench.InTurn(
                round,
                () => bench.Note(CaseNames.Unchanged, round, BarkeepTool.Name, ours.Backup()),
                () => bench.Note(CaseNames.Unchanged, round, PgBackRestTool.Name, backRest.Backup("incr")));
        });

        // rsync has the copy that pgBackRest is through with: a third one would not fit on every disk.
        for (var round = bench.Options.Rounds + 1; round <= bench.Options.Rounds + bench.Options.SlowRounds; round++)
        {
            Change(cluster, round);
            ours.Backup();
            Bench.InTurn(
                round,
                () => bench.Note(CaseNames.Delta, round, BarkeepTool.Name, ours.Refresh($"{Copies}/barkeep")),
                () => bench.Note(CaseNames.Delta, round, "rsync", machine.Peers.Measure(
                    $"rsync -a --checksum --delete --exclude pg_wal --exclude postmaster.pid {cluster.Directory}/ {Copies}/pgbackrest/ && sync -f {Copies}/pgbackrest", null)));
        }

        cluster.Set("summarize_wal", "off");
        ours.Remove();
        PgBackRestTool.Remove();
        machine.Peers.Run($"rm -rf {Copies}");
    }

    // Scattered by chance over all large tables; the columns are in no index, but a full page sends the new row elsewhere.
    public static void Change(Cluster cluster, int round) => cluster.Sql($"""
        SELECT setseed({round.ToString(CultureInfo.InvariantCulture)} / 1000.0) \g /dev/null
        SELECT format('UPDATE %1$s SET %2$s WHERE id IN (SELECT 1 + floor(random() * (SELECT max(id) FROM %1$s))::bigint FROM generate_series(1, (SELECT max(id) / 5000 FROM %1$s)))',
            'study_' || study || '.' || name, assignment)
        FROM generate_series(1, 4) AS study, (VALUES ('measurement', 'quality = quality + 1'), ('document', 'kind = kind || ''.'''),
            ('note', 'written = written + 1'), ('event', 'label = label || ''.''')) AS change(name, assignment)
        \gexec
        """, "research");

    // PostgreSQL's own account of the pages that WAL changed between two backups.
    static double ChangedMegabytes(Cluster cluster, string from, string to)
    {
        Wait.Until("the WAL summaries", () => cluster.Sql($"SELECT max(end_lsn) >= '{to}' FROM pg_available_wal_summaries()") == "t");
        return Text.Number(cluster.Sql($"""
            SELECT count(DISTINCT (reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber)) * 8192 / 1e6
            FROM pg_available_wal_summaries() AS s, pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn)
            WHERE s.start_lsn >= '{from}' AND s.end_lsn <= '{to}' AND NOT is_limit_block
            """));
    }
}
