using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>One server, set up, with a backup and some WAL after it; for tests that only read it or work on copies of its home.</summary>
public sealed class SetUpServer : IAsyncLifetime
{
    public CommandBench Bench { get; private set; } = null!;

    /// <summary>The backup's id.</summary>
    public string Backup { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Bench = await CommandBench.SetUpAsync();
        await Bench.Cluster.SqlAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
        (await Bench.BarmanAsync("switch-wal", "--archive", "montagu")).Checked();
        Backup = Assert.Single((await Bench.BarmanAsync("list-backup", "montagu", "--minimal")).Checked().OutputLines);
    }

    /// <summary>The program with a copy of the home, to be damaged. The receiver stands still meanwhile: files that it replaces would vanish before cp.</summary>
    public async Task<BarkeepRig> CopyAsync()
    {
        var copy = new BarkeepRig();
        var receivers = Bench.Rig.Processes("receive-wal");
        try
        {
            foreach (var receiver in receivers)
            {
                Signal.Stop.Send(receiver);
                await Eventually.IsTrueAsync(() => ProcessTable.IsStopped(receiver), "the receiver stands still");
            }
            foreach (var (from, to) in new[] { (Bench.Rig.Home, copy.Home), (Bench.Rig.ConfigDirectory, copy.ConfigDirectory) })
            {
                (await Command.RunAsync("cp", "-a", $"{from}/.", to)).Checked();
            }
        }
        finally
        {
            foreach (var receiver in receivers)
            {
                Signal.Continue.Send(receiver);
            }
        }
        return copy;
    }

    public ValueTask DisposeAsync() => Bench.DisposeAsync();
}
