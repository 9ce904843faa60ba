namespace Barkeep.Bench.Cases;

/// <summary>A full backup into an empty repository.</summary>
sealed class FullBackup() : Case([CaseNames.Full], needsResearch: true)
{
    public override void Run(Bench bench, Cluster? cluster)
    {
        var ours = new BarkeepTool(bench.Machine, cluster!);
        var theirs = new PgBackRestTool(bench.Machine, cluster!);
        bench.EachRound(round => Bench.InTurn(
            round,
            () =>
            {
                ours.Reset();
                bench.Note(CaseNames.Full, round, BarkeepTool.Name, ours.Backup(full: true));
                ours.Remove();
            },
            () =>
            {
                theirs.Reset();
                bench.Note(CaseNames.Full, round, PgBackRestTool.Name, theirs.Backup("full"));
                PgBackRestTool.Remove();
            }));
    }
}
