using Barkeep.Tests.Rig;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

/// <summary>What is read out of WAL compared with what PostgreSQL's own tools read out of it.</summary>
public sealed class BlockChangeTests
{
    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    public static TheoryData<int> SummarizingVersions => [.. PostgresInstallation.Versions.Where(v => v >= 17)];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_block_reference_is_the_one_that_pg_waldump_prints(int version)
    {
        foreach (var wal in (WalSample[])[(await ChangefulLife.OfAsync(version)).Wal, await WalSample.OfAsync(version)])
        {
            var seen = new SeenReferences();
            var walker = wal.Walker();
            wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref seen));

            Assert.Equal(wal.Lines.Count, seen.All.Count);
            for (var i = 0; i < wal.Lines.Count; i++)
            {
                var dumped = string.Join(", ", DumpedChanges.References(wal.Lines[i]));
                Assert.True(dumped == seen.All[i], $"{wal.Lines[i]}\nread as: {seen.All[i]}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Each_record_by_itself_changes_what_its_line_says(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        var seen = new SeenChanges();
        var walker = wal.Walker();
        wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref seen));

        Assert.Equal(wal.Lines.Count, seen.All.Count);
        foreach (var (line, ours) in wal.Lines.Zip(seen.All))
        {
            Assert.True(DumpedChanges.OfDump([line]).Lines.SequenceEqual(ours), $"{line}\nread as: {string.Join(", ", ours)}");
        }
        Assert.Contains(wal.Lines, line => line.Contains("desc: TRUNCATE base", StringComparison.Ordinal) && !line.Contains(" to 0 blocks", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Blocks_limits_and_databases_of_any_range_are_those_of_pg_waldumps_records(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        Assert.Equal(DumpedChanges.OfDump(wal.Lines).Lines, DumpedChanges.Of(Collect(wal, Lsn.Invalid, new(ulong.MaxValue))).Lines);

        Gen.Select(Gen.Int[0, wal.Lines.Count - 1], Gen.Int[0, wal.Lines.Count - 1]).Sample(
            (a, b) =>
            {
                var (first, last) = (Math.Min(a, b), Math.Max(a, b));
                var ours = Collect(wal, wal.Listed[first].Start, wal.Listed[last].Start);
                Assert.Null(ours.Everything);
                Assert.Equal(DumpedChanges.OfDump(wal.Lines.Skip(first).Take(last - first)).Lines, DumpedChanges.Of(ours).Lines);
            },
            iter: 10, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_sample_has_what_is_hard_to_read(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;

        foreach (var part in (string[])["desc: COMMIT_PREPARED", "desc: ABORT_PREPARED", "desc: ABORT ", "desc: TRUNCATE base", " fork fsm ", " fork vm ", " fork init ", "desc: FPI_FOR_HINT", " FPW"])
        {
            Assert.True(wal.Lines.Any(line => line.Contains(part, StringComparison.Ordinal)), part);
        }
        var commit = wal.Lines.Single(line => line.Contains("desc: COMMIT", StringComparison.Ordinal) && line.Split(" base/").Length > 5000);
        Assert.True(commit.Split("subxacts:")[1].Split(';')[0].Trim().Split(' ').Length >= 3000);
        Assert.Contains(wal.Listed, record => record.Length > 3_000_000);
    }

    /// <remarks>
    /// What differs by intent: truncation of a visibility map counts from its block 0 on, not from what remains of it; and a database that
    /// was dropped or created counts as a whole, whatever else is known of it. Of free space maps PostgreSQL says nothing.
    /// </remarks>
    [Theory]
    [MemberData(nameof(SummarizingVersions))]
    public async Task PostgreSQLs_own_summaries_say_the_same(int version)
    {
        var life = await ChangefulLife.OfAsync(version);

        Assert.True(life.Summaries.Count >= 4);
        Assert.Contains(life.Summaries.SelectMany(s => s.Lines), line => line.Contains(": limit ", StringComparison.Ordinal) && !line.EndsWith(" 0", StringComparison.Ordinal));
        foreach (var (from, to, lines) in life.Summaries)
        {
            var theirs = DumpedChanges.OfSummary(lines).Lines;
            var ours = DumpedChanges.Of(Collect(life.Wal, from, to)).Lines.Where(static line => !line.Contains(" fsm ", StringComparison.Ordinal)).ToList();
            var truncatedMaps = ours.Where(line => line.EndsWith(" vm limit 0", StringComparison.Ordinal)).Select(line => line[..^"limit 0".Length]).ToList();
            Assert.Equal(theirs.Where(NotOfTruncatedMap).Order(), ours.Where(NotOfTruncatedMap).Order());

            bool NotOfTruncatedMap(string line) => !truncatedMaps.Any(map => line.StartsWith(map, StringComparison.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Segment_by_segment_they_add_up_to_the_same_unless_a_crossing_record_is_left_out(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        var whole = Collect(wal, Lsn.Invalid, new(ulong.MaxValue));
        var (merged, lone) = (new BlockChanges(), new BlockChanges());
        var running = wal.Walker();
        for (var i = 0; i < wal.Segments.Count; i++)
        {
            var changes = new BlockChanges();
            var collector = new BlockChangeCollector(changes);
            running.Append(wal.Segments[i].Bytes, ref collector);
            merged.Merge(changes);

            var alone = new BlockChangeCollector(lone);
            var walker = wal.WalkerFrom(i);
            walker.Append(wal.Segments[i].Bytes, ref alone);
        }

        Assert.Equal(DumpedChanges.Of(whole).Lines, DumpedChanges.Of(merged).Lines);
        Assert.NotEqual(DumpedChanges.Of(whole).Lines, DumpedChanges.Of(lone).Lines);
    }

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task A_time_with_wal_level_minimal_makes_everything_count_as_changed(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["wal_keep_size = 1GB"] });
        await cluster.SqlAsync("CREATE TABLE t (i int)");
        var before = await EndAsync();
        await RestartAsync("wal_level = minimal", "max_wal_senders = 0");
        await cluster.SqlAsync("CREATE TABLE u AS SELECT generate_series(1, 100) i");
        await RestartAsync("wal_level = replica", "max_wal_senders = 10");
        var after = await EndAsync();
        await cluster.SqlAsync("CREATE TABLE v (i int)");
        await cluster.StopAsync();
        var wal = await WalSample.CollectAsync(cluster, new(1 << 20), "");

        Assert.Contains("wal_level = minimal", Collect(wal, before, after).Everything!, StringComparison.Ordinal);
        Assert.Null(Collect(wal, wal.Start, before).Everything);
        Assert.Null(Collect(wal, after, new(ulong.MaxValue)).Everything);

        async Task<Lsn> EndAsync() => Lsn.Parse(await cluster.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text"));

        async Task RestartAsync(params string[] lines)
        {
            await cluster.ConfigureAsync(lines);
            await cluster.RestartAsync();
        }
    }

    static BlockChanges Collect(WalSample wal, Lsn from, Lsn to)
    {
        var changes = new BlockChanges();
        var collector = new BlockChangeCollector(changes, from, to);
        var walker = wal.Walker();
        wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref collector));
        return changes;
    }
}
