namespace Barkeep.Bench.Cases;

/// <summary>The memory of our commands on a cluster of 100,000 files.</summary>
sealed class ManyFiles() : Case([CaseNames.ManyFiles], needsResearch: false)
{
    const string Target = "/mnt/restored";

    public override void Run(Bench bench, Cluster? cluster)
    {
        using var source = new Cluster(bench.Machine, bench.DataSet.ManyFiles());
        source.Start();
        var ours = new BarkeepTool(bench.Machine, source);
        ours.Reset();
        Note("backup --full", ours.Backup(full: true));
        Note("restore", ours.Restore(Target));
        source.Sql("UPDATE t7 SET name = 'y'", "first");
        Note("backup", ours.Backup());
        Note("restore --delta-restore", ours.Refresh(Target));
        Note("list-files", bench.Machine.Host.Measure("barman list-files main latest >/mnt/list", null));
        ours.Remove();
        bench.Machine.Peers.Run($"rm -rf {Target} /mnt/list");
        source.Stop();
        bench.Machine.Peers.Run($"rm -rf {source.Directory}");

        void Note(string command, Sample sample) => bench.Note(CaseNames.ManyFiles, 1, $"{BarkeepTool.Name} {command}", sample);
    }
}
