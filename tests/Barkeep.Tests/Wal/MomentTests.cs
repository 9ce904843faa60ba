using System.Globalization;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

/// <summary>What is noted of WAL compared with what pg_waldump prints of it.</summary>
public sealed class MomentTests
{
    static readonly SegmentSize OneMb = new(1 << 20);

    public static TheoryData<int> Versions => PostgresInstallation.VersionRows;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Each_record_by_itself_tells_what_its_line_says(int version)
    {
        var kinds = new HashSet<string>();
        foreach (var wal in (WalSample[])[(await ChangefulLife.OfAsync(version)).Wal, await WalSample.OfAsync(version)])
        {
            var seen = new SeenMoments();
            var walker = wal.Walker();
            wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref seen));

            Assert.Equal(wal.Lines.Count, seen.All.Count);
            foreach (var (line, ours) in wal.Lines.Zip(seen.All))
            {
                var theirs = DumpedMoments.Of(line);
                Assert.True(theirs.SequenceEqual(ours), $"{line}\nread as: {string.Join(", ", ours)}\ninstead of: {string.Join(", ", theirs)}");
                kinds.UnionWith(theirs.Select(static t => string.Concat(t.TakeWhile(static c => !char.IsDigit(c)))));
            }
            // Nothing of these kinds has escaped the reading of the lines.
            Assert.Equal(
                wal.Lines.Count(static l => l.Contains("rmgr: Transaction", StringComparison.Ordinal) && (l.Contains("desc: COMMIT", StringComparison.Ordinal) || l.Contains("desc: ABORT", StringComparison.Ordinal))),
                seen.All.Count(static s => s.Any(static t => t.StartsWith("commit", StringComparison.Ordinal) || t.StartsWith("abort", StringComparison.Ordinal))));
        }
        Assert.Superset(new HashSet<string> { "commit ", "abort ", "point here", "checkpoint ", "drop ", "cut off ", "truncate ", "drop database " }, kinds);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_bounds_of_each_segment_are_those_of_its_lines(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        var walker = wal.Walker();
        var ends = EndsOf(wal);
        for (var i = 0; i < wal.Segments.Count; i++)
        {
            var moments = new Moments();
            var collector = new MomentCollector(moments);
            walker.Append(wal.Segments[i].Bytes, ref collector);
            var bounds = moments.Bounds;
            var lines = Enumerable.Range(0, wal.Lines.Count).Where(n => wal.Locate(ends[n] + -1).Segment == i).ToList();
            var told = lines.SelectMany(n => DumpedMoments.Of(wal.Lines[n]).Select(t => t.Split(' '))).ToList();
            var ended = told.Where(static t => t[0] is "commit" or "abort").ToList();

            Assert.Equal(lines.Count == 0 ? Lsn.Invalid : wal.Listed[lines[0]].Start, bounds.FirstRecord);
            Assert.Equal(lines.Count == 0 ? Lsn.Invalid : wal.Listed[lines[^1]].Start, bounds.LastRecord);
            Assert.Equal((told.Count(static t => t[0] == "commit"), told.Count(static t => t[0] == "abort")), (bounds.Commits, bounds.Aborts));
            if (ended.Count > 0)
            {
                Assert.Equal((ended.Min(XidOf), ended.Max(XidOf)), (bounds.LeastXid, bounds.GreatestXid));
                Assert.Equal((ended.Min(TimeOf), ended.Max(TimeOf)), (bounds.LeastTime.Microseconds, bounds.GreatestTime.Microseconds));
            }
            if (told.LastOrDefault(static t => t[0] == "commit") is { } last)
            {
                Assert.Equal((XidOf(last), TimeOf(last)), (bounds.LastCommit!.Value.Xid, bounds.LastCommit.Value.Time.Microseconds));
            }
            // One commit of each second is kept.
            Assert.Equal(
                told.Where(static t => t[0] == "commit").Select(static t => TimeOf(t) / 1_000_000).Distinct(), moments.Commits.Select(static c => c.Time.Microseconds / 1_000_000));
        }

        static uint XidOf(string[] told) => uint.Parse(told[1], CultureInfo.InvariantCulture);
        static long TimeOf(string[] told) => long.Parse(told[2], CultureInfo.InvariantCulture);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task How_a_file_came_to_its_end_is_told_apart(int version)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions { Version = version, Configuration = ["autovacuum = off", "wal_keep_size = 1GB", "max_prepared_transactions = 5"] });
        var place = await cluster.NewDirectoryAsync("space");
        await cluster.SqlAsync($"CREATE TABLESPACE space LOCATION '{place}'");
        foreach (var table in (string[])["dropped", "prepared", "truncated", "whole", "clustered", "moved", "retyped", "kept", "savepoint"])
        {
            await cluster.SqlAsync($"CREATE TABLE {table} (i int PRIMARY KEY, s text); INSERT INTO {table} SELECT i, 's' FROM generate_series(1, 500) i");
        }
        await cluster.SqlAsync("CREATE MATERIALIZED VIEW refreshed AS SELECT * FROM kept");
        await cluster.SqlAsync("CREATE DATABASE d");
        await cluster.SqlAsync("CREATE DATABASE m");
        var expected = new List<(LossKind, string)>();
        foreach (var (kind, relation, statements) in ((LossKind, string, string)[])
        [
            (LossKind.Dropped, "dropped", "DROP TABLE dropped"),
            (LossKind.Dropped, "prepared", "BEGIN; DROP TABLE prepared; PREPARE TRANSACTION 'x'|COMMIT PREPARED 'x'"),
            (LossKind.Replaced, "truncated", "TRUNCATE truncated"),
            (LossKind.Replaced, "savepoint", "BEGIN; SAVEPOINT a; TRUNCATE savepoint; RELEASE a; COMMIT"),
            (LossKind.Replaced, "whole", "VACUUM FULL whole"),
            (LossKind.Replaced, "clustered", "CLUSTER clustered USING clustered_pkey"),
            (LossKind.Replaced, "moved", "ALTER TABLE moved SET TABLESPACE space"),
            (LossKind.Replaced, "retyped", "ALTER TABLE retyped ALTER i TYPE bigint"),
            (LossKind.Replaced, "kept_pkey", "REINDEX INDEX kept_pkey"),
            (LossKind.Replaced, "refreshed", "REFRESH MATERIALIZED VIEW refreshed"),
            (LossKind.CutOff, "kept", "DELETE FROM kept WHERE i > 100|VACUUM kept"),
        ])
        {
            expected.Add((kind, await cluster.ScalarAsync<string>($"SELECT pg_relation_filenode('{relation}')::text")));
            foreach (var statement in statements.Split('|'))
            {
                await cluster.SqlAsync(statement);
            }
        }
        // What is no loss: a table that nobody has seen, and one whose making was rolled back.
        await cluster.SqlAsync("BEGIN; CREATE TABLE unseen (i int); DROP TABLE unseen; COMMIT");
        await cluster.SqlAsync("BEGIN; CREATE TABLE unmade (i int); ROLLBACK");
        expected.Add((LossKind.DatabaseDropped, await cluster.ScalarAsync<string>("SELECT oid::text FROM pg_database WHERE datname = 'd'")));
        await cluster.SqlAsync("DROP DATABASE d");
        expected.Add((LossKind.DatabaseMoved, await cluster.ScalarAsync<string>("SELECT oid::text FROM pg_database WHERE datname = 'm'")));
        await cluster.SqlAsync("ALTER DATABASE m SET TABLESPACE space");
        await cluster.StopAsync();

        var wal = await WalSample.CollectAsync(cluster, OneMb, place);
        var moments = new Moments();
        var collector = new MomentCollector(moments);
        var walker = wal.Walker();
        wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref collector));
        foreach (var (kind, number) in expected)
        {
            var found = Assert.Single(moments.Losses, l => $"{(l.Kind is LossKind.DatabaseDropped or LossKind.DatabaseMoved ? l.Database : l.Relation)}" == number);
            Assert.True(kind == found.Kind, $"{found}: {kind} was expected");
        }
        // Each drop is of one of these, or of what belongs to it: toast tables and indexes.
        Assert.All(moments.Losses.Where(static l => l.Kind == LossKind.Dropped), l => Assert.Contains(l.Xid, moments.Losses.Where(k => expected.Contains((k.Kind, $"{k.Relation}"))).Select(static k => k.Xid)));
    }

    [Fact]
    public void Commits_are_thinned_evenly_and_without_bound_on_their_number()
    {
        var moments = new Moments();
        var collector = new MomentCollector(moments);
        for (var segment = 0; segment < 4; segment++)
        {
            var wal = new WrittenWal(OneMb, 7);
            for (var i = 0; i < 10_000; i++)
            {
                wal.Add(ResourceManager.Transaction, 0, [255, 8, .. BitConverter.GetBytes(((segment * 10_000L) + i) * 500_000)]);
            }
            Walker(wal).Append(wal.ToArray(), ref collector);
        }
        Assert.Equal(40_000, moments.Bounds.Commits);
        Assert.InRange(moments.Commits.Count, Moments.MaxCommits / 4, Moments.MaxCommits);
        var steps = moments.Commits.Zip(moments.Commits.Skip(1), static (a, b) => b.Time.Microseconds - a.Time.Microseconds).Distinct().ToList();
        Assert.Single(steps);
        Assert.Equal((0, 39_999 * 500_000L), (moments.Bounds.LeastTime.Microseconds, moments.Bounds.GreatestTime.Microseconds));
    }

    [Fact]
    public void Records_that_cannot_be_believed_are_read_without_harm_and_take_little_memory()
    {
        var managers = Gen.Int[0, 4].Select(static i => new[] { ResourceManager.Xlog, ResourceManager.Transaction, ResourceManager.Storage, ResourceManager.Database, ResourceManager.Heap }[i]);
        var data = Gen.OneOf(Gen.Byte.Array[0, 120], Gen.Select(Gen.Int[0, 4].Select(static i => new byte[] { 0, 1, 2, 4, 255 }[i]), Gen.Int[0, 120]).Select(static t => Enumerable.Repeat(t.Item1, t.Item2).ToArray()));
        Gen.Select(managers, Gen.Byte, data, Gen.Bool).Array[1, 200].Sample(
            records =>
            {
                var wal = new WrittenWal(OneMb, 7);
                foreach (var (manager, info, bytes, headed) in records)
                {
                    // An early switch would end the segment.
                    var kind = manager == ResourceManager.Xlog && (info & 0xF0) == 0x40 ? (byte)(info & 0x0F) : info;
                    wal.Add(manager, kind, headed ? [255, (byte)bytes.Length, .. bytes] : bytes);
                }
                var moments = new Moments();
                var collector = new MomentCollector(moments);
                Walker(wal).Append(wal.ToArray(), ref collector);
                Assert.All(moments.RestorePoints, static p => Assert.InRange(p.Name.Length, 0, 64));
                Assert.True(moments.Bounds.LastCommit is null == (moments.Bounds.Commits == 0));
            },
            iter: 2000, threads: 1);
    }

    [Fact]
    public void What_is_kept_is_bounded_whatever_the_WAL_holds()
    {
        const int Relations = 30_000;
        var data = new byte[5 + 16 + (12 * Relations)];
        data[0] = 254;
        BitConverter.TryWriteBytes(data.AsSpan(1), data.Length - 5);
        data[5 + 8] = 4;
        BitConverter.TryWriteBytes(data.AsSpan(5 + 12), Relations);
        for (var i = 0; i < Relations; i++)
        {
            BitConverter.TryWriteBytes(data.AsSpan(5 + 16 + (12 * i) + 8), i + 1);
        }
        var wal = new WrittenWal(OneMb, 7);
        wal.Add(ResourceManager.Transaction, 0x80, data);
        byte[] point = [255, 72, .. new byte[8], .. "point"u8, .. new byte[59]];
        for (var i = 0; i < Moments.MaxRestorePoints + 10; i++)
        {
            wal.Add(ResourceManager.Xlog, 0x70, point);
        }
        var moments = new Moments();
        var collector = new MomentCollector(moments);
        Walker(wal).Append(wal.ToArray(), ref collector);
        Assert.Equal((Moments.MaxLosses, Relations), (moments.Losses.Count, moments.Bounds.Losses));
        Assert.Equal((Moments.MaxRestorePoints, Moments.MaxRestorePoints + 10), (moments.RestorePoints.Count, moments.Bounds.RestorePoints));
    }

    [Fact]
    public void Times_are_PostgreSQLs()
    {
        var time = new DateTimeOffset(2026, 11, 23, 14, 2, 11, TimeSpan.Zero).AddMicroseconds(123456);
        Assert.Equal("2026-11-23 14:02:11.123456+00", TimestampTz.From(time).ToString());
        Assert.Equal(time, TimestampTz.From(time).ToDateTimeOffset());
        Assert.Equal(0, TimestampTz.From(new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero)).Microseconds);
        Assert.Equal(-1, TimestampTz.From(new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero).AddTicks(-1)).Microseconds);
        Assert.Equal("2026-11-23 19:32:11.123456+05:30", TimestampTz.From(time).Print(TimeZoneInfo.FindSystemTimeZoneById("Asia/Kolkata")));
        Assert.Equal("2026-11-23 10:32:11.123456-03:30", TimestampTz.From(time).Print(TimeZoneInfo.FindSystemTimeZoneById("America/St_Johns")));
        Gen.Long.Sample(static t => new TimestampTz(t).Print(TimeZoneInfo.FindSystemTimeZoneById("Asia/Kolkata")).Length > 10, threads: 1);
    }

    static List<Lsn> EndsOf(WalSample wal)
    {
        var seen = new SeenRecords();
        var walker = wal.Walker();
        wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref seen));
        // A switch record counts where its last byte is, not where its segment ends; so do records that end with a page.
        return [.. seen.All.Select(r => r.Header.IsSwitch ? PageHeader.Advance(r.Start, (int)r.Header.Length, wal.SegmentSize) : r.End)];
    }

    static RecordWalker Walker(WrittenWal wal) => new(wal.Start, TimelineHistory.Initial(TimelineId.First), OneMb, null);
}
