namespace Barkeep.Bench.Cases;

/// <summary>A restore of the last of hundreds of incremental backups, most of which are still there; beside it one of a fresh full backup of the same cluster.</summary>
sealed class ManyIncrementals() : Case([CaseNames.ManyIncrementals], needsResearch: false)
{
    public const string Peer = $"{BarkeepTool.Name}, fresh full backup";

    const int Backups = 200;
    const string Target = "/mnt/restored";

    public override void Run(Bench bench, Cluster? cluster)
    {
        using var source = new Cluster(bench.Machine, bench.DataSet.Research(2));
        source.Start();
        var chain = new BarkeepTool(bench.Machine, source);
        chain.Reset();
        chain.Backup(full: true);
        for (var i = 1; i <= Backups; i++)
        {
            Changes.Change(source, i);
            chain.Backup();
        }
        // In a repository of its own: in the same one it would refer to the pages of the others.
        var fresh = new BarkeepTool(bench.Machine, source, "fresh");
        fresh.SetUp();
        fresh.Backup(full: true);

        bench.EachRound(round => Bench.InTurn(
            round,
            () => Take(round, BarkeepTool.Name, chain),
            () => Take(round, Peer, fresh)));

        chain.Remove();
        source.Stop();
        bench.Machine.Peers.Run($"rm -rf {source.Directory}");

        void Take(int round, string name, BarkeepTool tool)
        {
            var sample = tool.Restore(Target);
            bench.Machine.Peers.Run($"rm -rf {Target}");
            bench.Note(CaseNames.ManyIncrementals, round, name, sample with { Stored = tool.StoredMegabytes() });
        }
    }
}
