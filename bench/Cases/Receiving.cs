using System.Diagnostics;

namespace Barkeep.Bench.Cases;

/// <summary>Catching up with half a GB of WAL, flushed; ours checks, compresses and stores it, too.</summary>
sealed class Receiving() : Case([CaseNames.Receiving], needsResearch: false)
{
    public const string Peer = "pg_receivewal";

    const string Directory = "/mnt/receiving";
    const string PeerDirectory = "/mnt/receivewal";

    public override void Run(Bench bench, Cluster? cluster)
    {
        var machine = bench.Machine;
        machine.Peers.Run($"initdb -D {Directory} -A trust -U postgres --data-checksums && mkdir {PeerDirectory}");
        using var source = new Cluster(machine, Directory);
        source.Start();
        var ours = new BarkeepTool(machine, source);
        ours.Reset();
        ours.Pause();
        source.Sql("SELECT pg_create_physical_replication_slot('peer', true)");
        source.Sql("CREATE TABLE load (id bigint, text text)");

        bench.EachRound(round =>
        {
            var begin = Flushed(source);
            source.Sql("INSERT INTO load SELECT g, md5(g::text) || md5((g + 1)::text) FROM generate_series(1, 4000000) g");
            var end = Flushed(source);
            // pg_receivewal stops at the first WAL behind its end.
            source.Sql("TRUNCATE load");
            var megabytes = Text.Number(source.Sql($"SELECT pg_wal_lsn_diff('{end}', '{begin}') / 1e6"));
            Bench.InTurn(
                round,
                () => bench.Note(CaseNames.Receiving, round, BarkeepTool.Name, CatchUp(machine, source, ours, end) with { Wal = megabytes }),
                () => bench.Note(CaseNames.Receiving, round, Peer, machine.Peers.Measure(
                    $"pg_receivewal -D {PeerDirectory} {source.Connection("")} -S peer --synchronous --no-loop --endpos {end}", null) with
                { Wal = megabytes }));
        });

        ours.Remove();
        source.Stop();
        machine.Peers.Run($"rm -rf {Directory} {PeerDirectory}");
    }

    static string Flushed(Cluster source) => source.Sql("SELECT pg_current_wal_flush_lsn()");

    // Wall until all is flushed; CPU and memory until all is in the repository.
    static Sample CatchUp(Machine machine, Cluster source, BarkeepTool ours, string end)
    {
        machine.Host.Run("sync -f /mnt");
        var start = Stopwatch.GetTimestamp();
        using var receiver = machine.Host.Start("exec barman receive-wal main");
        // The server waits, since asking again and again from here would cost more.
        source.Sql($"DO $$ BEGIN WHILE (SELECT restart_lsn < '{end}' FROM pg_replication_slots WHERE slot_name = 'barkeep_main') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$");
        var wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        ours.AwaitStored();
        var peak = Text.Number(File.ReadLines($"/proc/{receiver.Id}/status").First(static l => l.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024;
        var cpu = receiver.TotalProcessorTime.TotalSeconds;
        ours.Pause();
        receiver.WaitForExit();
        return new() { Wall = wall, ClientCpu = cpu, Peak = peak };
    }
}
