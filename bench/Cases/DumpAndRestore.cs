using System.Diagnostics;

namespace Barkeep.Bench.Cases;

/// <summary>pg_dump and pg_restore; against it a restore, and starting PostgreSQL on it until it answers.</summary>
sealed class DumpAndRestore() : Case([CaseNames.Dump], needsResearch: true)
{
    public const string Peer = "pg_dump and pg_restore";

    const string Target = "/mnt/restored";

    public override void Run(Bench bench, Cluster? cluster)
    {
        var machine = bench.Machine;
        var ours = new BarkeepTool(machine, cluster!);
        ours.Reset();
        ours.Backup(full: true);
        for (var round = 1; round <= bench.Options.SlowRounds; round++)
        {
            Bench.InTurn(
                round,
                () => bench.Note(CaseNames.Dump, round, BarkeepTool.Name, RestoreAndStart(machine, ours)),
                () => bench.Note(CaseNames.Dump, round, Peer, Dump(machine, cluster!)));
        }
        ours.Remove();
    }

    static Sample RestoreAndStart(Machine machine, BarkeepTool ours)
    {
        var sample = ours.Restore(Target);
        var start = Stopwatch.GetTimestamp();
        using (var restored = new Cluster(machine, Target))
        {
            restored.Start();
            sample = sample with { Wall = sample.Wall + Stopwatch.GetElapsedTime(start).TotalSeconds };
        }
        machine.Peers.Run($"rm -rf {Target}");
        return sample;
    }

    static Sample Dump(Machine machine, Cluster cluster)
    {
        cluster.Sql("CREATE DATABASE again");
        var sample = machine.Peers.Measure(
            $"pg_dump {cluster.Connection("research")} -Fd -j 2 -Z lz4 -f /mnt/dump && pg_restore {cluster.Connection("again")} -j 2 /mnt/dump", cluster.Cpu);
        cluster.Sql("DROP DATABASE again");
        cluster.Sql("CHECKPOINT");
        machine.Peers.Run("rm -rf /mnt/dump");
        return sample;
    }
}
