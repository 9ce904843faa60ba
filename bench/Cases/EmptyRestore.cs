namespace Barkeep.Bench.Cases;

/// <summary>A restore into an empty directory; beside it a copy of the data directory without its WAL.</summary>
sealed class EmptyRestore() : Case([CaseNames.Restore], needsResearch: true)
{
    const string Target = "/mnt/restored";

    public override void Run(Bench bench, Cluster? cluster)
    {
        var machine = bench.Machine;
        var ours = new BarkeepTool(machine, cluster!);
        var backRest = new PgBackRestTool(machine, cluster!);
        using var barman = new BarmanTool(machine, cluster!);

        // A backup of each.
        ours.Reset();
        ours.Backup(full: true);
        backRest.Reset();
        backRest.Backup("full");
        barman.Reset();
        barman.Backup();
        barman.Pause();

        bench.EachRound(round => Bench.InTurn(
            round,
            () => Take(round, BarkeepTool.Name, ours.Restore),
            () => Take(round, PgBackRestTool.Name, backRest.Restore),
            bench.IsSlowRound(round) ? () => Take(round, BarmanTool.Name, barman.Restore) : null,
            () => Take(round, "cp", directory => machine.Peers.Measure(
                $"mkdir -m 700 {directory} && find {cluster!.Directory} -mindepth 1 -maxdepth 1 ! -name pg_wal ! -name postmaster.pid -exec cp -a -t {directory} '{{}}' + && sync -f {directory}", null))));

        ours.Remove();
        PgBackRestTool.Remove();
        barman.Remove();

        void Take(int round, string tool, Func<string, Sample> restore)
        {
            var sample = restore(Target);
            CheckSize(tool, cluster!);
            machine.Peers.Run($"rm -rf {Target}");
            bench.Note(CaseNames.Restore, round, tool, sample);
        }
    }

    // A tool that forgot something must not win.
    static void CheckSize(string tool, Cluster cluster)
    {
        var (expected, found) = (Disk.Megabytes($"{cluster.Directory}/base"), Disk.Megabytes($"{Target}/base"));
        if (found < 0.99 * expected)
        {
            throw new InvalidOperationException($"{tool} restored {found:0} of {expected:0} MB");
        }
    }
}
