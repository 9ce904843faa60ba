using Barkeep.Bench.Cases;

namespace Barkeep.Bench;

/// <summary>What Barkeep has to reach: a figure of a case that must not be above a limit.</summary>
/// <param name="What">For people.</param>
/// <param name="Case">Whose results it is about.</param>
/// <param name="Against">The peer; empty where the figure stands for itself.</param>
/// <param name="Figure">Of the case's results at one size.</param>
sealed record Target(string What, string Case, string Against, double Limit, string Unit, Func<Results, double> Figure)
{
    /// <summary>All targets, in the report's order.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        Ratio("full backup, wall", CaseNames.Full, PgBackRestTool.Name, 0.8, static s => s.Wall),
        Ratio("full backup, stored bytes", CaseNames.Full, PgBackRestTool.Name, 1.05, static s => s.Stored),
        Ratio("full backup, CPU of client and server", CaseNames.Full, PgBackRestTool.Name, 1.0, static s => s.Cpu),
        Ratio("incremental after 0.02 % of rows scattered, wall", CaseNames.Changed, PgBackRestTool.Name, 0.25, static s => s.Wall),
        Ratio("the same, wall", CaseNames.Changed, BaseBackupTool.Name, 0.5, static s => s.Wall),
        Ratio("the same, stored bytes", CaseNames.Changed, PgBackRestTool.Name, 0.5, static s => s.Stored),
        Ratio("the same, stored bytes", CaseNames.Changed, BaseBackupTool.Name, 0.5, static s => s.Stored),
        new("the same, bytes read from the primary", CaseNames.Changed, "changed pages", 1.5, "",
            static r => r.Median(BarkeepTool.Name, static s => s.Read) / r.Median(BarkeepTool.Name, static s => s.Changed)),
        Ratio("incremental, nothing changed, wall", CaseNames.Unchanged, PgBackRestTool.Name, 0.5, static s => s.Wall),
        Absolute("the same, our CPU", CaseNames.Unchanged, 100, "ms", static s => s.ClientCpu * 1000),
        Ratio("restore into an empty directory, wall", CaseNames.Restore, PgBackRestTool.Name, 0.8, static s => s.Wall),
        Ratio("the same", CaseNames.Restore, BarmanTool.Name, 0.4, static s => s.Wall),
        Ratio("the same", CaseNames.Restore, "cp", 1.2, static s => s.Wall),
        Ratio("delta restore after that change, wall", CaseNames.Delta, PgBackRestTool.Name, 0.3, static s => s.Wall),
        Ratio("the same", CaseNames.Delta, "rsync", 0.2, static s => s.Wall),
        Ratio("restore and start, beside dump and restore", CaseNames.Dump, DumpAndRestore.Peer, 0.1, static s => s.Wall),
        Ratio("restore of the last of 200 incrementals, wall", CaseNames.ManyIncrementals, ManyIncrementals.Peer, 1.5, static s => s.Wall),
        Ratio("receiving WAL, fsynced, seconds a GB", CaseNames.Receiving, Receiving.Peer, 1.0, static s => s.Wall / s.Wal),
        Ratio("the same, CPU a GB, compressing included", CaseNames.Receiving, Receiving.Peer, 1.0, static s => s.ClientCpu / s.Wal),
        Ratio("list-backup all, 1,000 backups, wall", CaseNames.Listing, BarmanTool.Name, 0.1, static s => s.Wall),
        Absolute("the same", CaseNames.Listing, 30, "ms", static s => s.Wall * 1000),
    ];

    static Target Ratio(string what, string name, string against, double limit, Func<Sample, double> figure) =>
        new(what, name, against, limit, "", r => r.Median(BarkeepTool.Name, figure) / r.Median(against, figure));

    static Target Absolute(string what, string name, double limit, string unit, Func<Sample, double> figure) =>
        new(what, name, "", limit, unit, r => r.Median(BarkeepTool.Name, figure));
}
