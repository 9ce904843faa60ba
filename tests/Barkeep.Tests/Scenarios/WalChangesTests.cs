using Barkeep.Received;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Block changes from a running receiver, compared with what pg_waldump finds in the server's own files.</summary>
public sealed class WalChangesTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task They_are_stored_with_each_segment_and_reach_into_the_tail(int version)
    {
        await using var reception = await Reception.PrepareAsync(Options(version));
        await reception.CreateSlotAsync();
        reception.Start();
        await reception.WriteAsync(1);
        var from = await RedoAsync(reception.Cluster);
        await reception.WriteAsync(4);
        // Over three segments.
        await reception.Cluster.SqlAsync("INSERT INTO load VALUES (0, ''); SELECT pg_logical_emit_message(true, 'x', repeat('abcdefgh', 400000)); UPDATE load SET t = 'x' WHERE i % 100 = 0");
        await reception.WriteAsync(2, "other");
        await reception.Cluster.SqlAsync("DROP TABLE load");
        var to = await RedoAsync(reception.Cluster);

        var found = await FindAsync(reception, TimelineHistory.Initial(TimelineId.First), from, to);
        Assert.Equal(await DumpAsync(reception.Cluster, 1, from, to), found);

        await reception.ArchivedAsync();
        await AssertNotedAsync(reception, TimelineHistory.Initial(TimelineId.First));
    }

    [Fact]
    public async Task After_a_crash_between_a_segment_and_what_is_derived_from_it_the_next_start_stores_that()
    {
        await using var reception = await Reception.PrepareAsync(Options(15));
        await reception.CreateSlotAsync();
        reception.Start();
        await reception.WriteAsync(4);
        await reception.CaughtUpAsync();
        await reception.ArchivedAsync();
        await reception.StopAsync();
        // As if it had ended just then, twice: with the segments back in the spool, and without their changes.
        var stored = (await reception.Lineage.Wal.ListSegmentsAsync(default)).Select(s => s.Name).ToList();
        Assert.True(stored.Count >= 4);
        foreach (var name in stored[^2..])
        {
            await File.WriteAllBytesAsync(reception.Spool.PathOf(name), await reception.StoredAsync(name));
            // One has lost both, the other only what is put last.
            foreach (var derived in name == stored[^1] ? (string[])["changes", "moments"] : ["moments"])
            {
                File.Delete(Path.Combine(reception.Locations.RepositoryDirectory(reception.Config.Name), $"{reception.Lineage.Identity.SystemId}/{derived}/{name.ToString()[..16]}/{name}"));
            }
            Assert.Null(await reception.Lineage.Wal.TryGetMomentsAsync(name, default));
        }

        reception.Start();
        await Eventually.IsTrueAsync(
            () => Task.FromResult(reception.Spool.List().All(f => !stored.Contains(f.Name))), "the spool is empty again");
        await AssertNotedAsync(reception, TimelineHistory.Initial(TimelineId.First));
    }

    [Theory]
    [InlineData(15)]
    [InlineData(18)]
    public async Task They_cross_a_promotion_in_the_middle_of_a_segment(int version)
    {
        await using var primary = await TestCluster.StartNewAsync(Options(version));
        var roles = await primary.CreateBarkeepRolesAsync();
        await using var standby = await primary.StartStandbyAsync();
        await using var reception = await Reception.OfAsync(standby, roles);
        reception.Start();
        await reception.PhaseAsync(ReceiverPhase.Streaming);
        var from = await RedoAsync(primary);
        await primary.SqlAsync("CREATE TABLE before AS SELECT i, repeat('x', 500) t FROM generate_series(1, 5000) i");
        await Eventually.IsTrueAsync(
            async () => await standby.ScalarAsync<bool>("SELECT pg_last_wal_replay_lsn() >= $$" + await primary.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text") + "$$"), "the standby has everything");
        await primary.KillAsync();
        await standby.PromoteAsync();
        await standby.SqlAsync("UPDATE before SET t = 'y' WHERE i % 10 = 0; CREATE TABLE after AS SELECT i, repeat('x', 500) t FROM generate_series(1, 5000) i");
        var to = await RedoAsync(standby);
        await reception.CaughtUpAsync();
        var history = TimelineHistory.Parse(new(2), await File.ReadAllBytesAsync(Path.Combine(standby.DataDirectory, "pg_wal", "00000002.history")));
        var fork = history.Ancestors[^1].End;

        Assert.NotEqual(0, reception.Size.OffsetOf(fork));
        string[] expected = [.. await LinesAsync(primary, 1, from, fork), .. await LinesAsync(standby, 2, fork, to)];
        Assert.Equal(DumpedChanges.OfDump(expected).Lines, await FindAsync(reception, history, from, to));
        await reception.ArchivedAsync();
        await AssertNotedAsync(reception, history);
        Assert.Equal(DumpedChanges.OfDump(expected).Lines, await FindAsync(reception, history, from, to));
    }

    static TestClusterOptions Options(int version) => new() { Version = version, Configuration = ["autovacuum = off", "wal_keep_size = 1GB"] };

    static async Task<Lsn> RedoAsync(TestCluster cluster)
    {
        await cluster.SqlAsync("CHECKPOINT");
        return Lsn.Parse(await cluster.ScalarAsync<string>("SELECT redo_lsn::text FROM pg_control_checkpoint()"));
    }

    static async Task<IReadOnlyList<string>> FindAsync(Reception reception, TimelineHistory history, Lsn from, Lsn to)
    {
        var found = await Eventually.GivesAsync(
            async () => await ReceivedChanges.CollectAsync(
                reception.Lineage, reception.Spool, await ReceivedWal.ListAsync(reception.Lineage.Wal, reception.Spool, default), history, from, to, default),
            f => !f.IsYetToCome, $"WAL to {to}");
        Assert.Null(found.Obstacle);
        return DumpedChanges.Of(found.Changes!).Lines;
    }

    static async Task<IReadOnlyList<string>> DumpAsync(TestCluster cluster, uint timeline, Lsn from, Lsn to) =>
        DumpedChanges.OfDump(await LinesAsync(cluster, timeline, from, to)).Lines;

    static async Task<string[]> LinesAsync(TestCluster cluster, uint timeline, Lsn from, Lsn to) =>
        (await cluster.RunAsync("pg_waldump", "--path", Path.Combine(cluster.DataDirectory, "pg_wal"), "--timeline", $"{timeline}", "--start", $"{from}", "--end", $"{to}")).Checked().OutputLines;

    /// <summary>Every complete segment of a history has its changes, and they are those of its records.</summary>
    static async Task AssertNotedAsync(Reception reception, TimelineHistory history)
    {
        RecordWalker? walker = null;
        foreach (var name in (await reception.Lineage.Wal.ListSegmentsAsync(default)).Where(s => !s.IsPartial).Select(s => s.Name).OrderBy(n => n.Number(reception.Size)))
        {
            walker ??= new(name.Start(reception.Size), history, reception.Size, null);
            var skipped = walker.SkippedBytes;
            var changes = new BlockChanges();
            var moments = new Moments();
            var collectors = new RecordVisitors<BlockChangeCollector, MomentCollector>(new(changes), new(moments));
            walker.Append(await reception.StoredAsync(name), ref collectors);
            Assert.Null(walker.Defect);

            var noted = await reception.Lineage.Wal.TryGetChangesAsync(name, default);
            Assert.Equal(walker.SkippedBytes == skipped, noted!.IsWhole);
            Assert.Equal(DumpedChanges.Of(changes).Lines, DumpedChanges.Of(noted.Changes).Lines);
            var told = await reception.Lineage.Wal.TryGetMomentsAsync(name, default);
            Assert.Equal((walker.SkippedBytes == skipped, moments.Bounds), (told!.IsWhole, told.Bounds));
            Assert.Equal(DumpedMoments.Of(moments), DumpedMoments.Of(told.Moments) is var lines && moments.Bounds.Aborts > 0 ? [DumpedMoments.Of(moments)[0], .. lines] : lines);
        }
        Assert.NotNull(walker);
    }
}
