using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>
/// All WAL that a real server wrote in a short but varied life, and what pg_waldump says of it: many kinds of records,
/// one over several segments, early switches, a tablespace, and a record that a crash left unfinished.
/// </summary>
sealed partial class WalSample
{
    static readonly ConcurrentDictionary<(int, int), Lazy<Task<WalSample>>> Made = new();

    public required SegmentSize SegmentSize { get; init; }

    public required ulong SystemIdentifier { get; init; }

    public required IReadOnlyList<(SegmentName Name, byte[] Bytes)> Segments { get; init; }

    /// <summary>What pg_waldump prints, a record a line.</summary>
    public required IReadOnlyList<string> Lines { get; init; }

    /// <summary>As pg_waldump lists them.</summary>
    public required IReadOnlyList<ListedRecord> Listed { get; init; }

    /// <summary>What pg_waldump says of the place where it stops.</summary>
    public required string EndMessage { get; init; }

    public required string TablespacePath { get; init; }

    public Lsn Start => Segments[0].Name.Start(SegmentSize);

    public static Task<WalSample> OfAsync(int version, int segmentMb = 1) =>
        Made.GetOrAdd((version, segmentMb), key => new(() => MakeAsync(key.Item1, key.Item2))).Value;

    public RecordWalker Walker() => WalkerFrom(0);

    public RecordWalker WalkerFrom(int segment) =>
        new(Segments[segment].Name.Start(SegmentSize), TimelineHistory.Initial(TimelineId.First), SegmentSize, SystemIdentifier);

    /// <summary>The segment that holds a position, and the place in it.</summary>
    public (int Segment, int Offset) Locate(Lsn lsn) => ((int)(SegmentSize.NumberOf(lsn) - SegmentSize.NumberOf(Start)), SegmentSize.OffsetOf(lsn));

    /// <summary>Puts it where a receiver would: complete segments into a repository, the last that holds a record into a spool, as far as is wanted.</summary>
    /// <param name="tailLength">Given where in it the last record begins: how many bytes of it are there.</param>
    public async Task<(Lineage Lineage, WalSpool Spool)> StoreAsync(string directory, Func<int, int> tailLength)
    {
        var first = Walker();
        first.Append(Segments[0].Bytes);
        var repository = await Repository.OpenAsync(Path.Combine(directory, "repository"), default);
        var lineage = await repository.AdoptAsync(new(SystemIdentifier, first.MajorVersion!.Value, SegmentSize), acceptNew: false, SmallRepository.Clock, default);
        var spool = new WalSpool(Directory.CreateDirectory(Path.Combine(directory, "spool")).FullName, SegmentSize);
        var (tail, offset) = Locate(Listed[^1].Start);
        for (var i = 0; i < tail; i++)
        {
            await lineage.Wal.PutSegmentAsync(Segments[i].Name, new MemoryStream(Segments[i].Bytes), default);
        }
        await File.WriteAllBytesAsync(spool.PathOf(Segments[tail].Name), Segments[tail].Bytes[..tailLength(offset)]);
        return (lineage, spool);
    }

    static async Task<WalSample> MakeAsync(int version, int segmentMb)
    {
        await using var cluster = await TestCluster.StartNewAsync(new TestClusterOptions
        {
            Version = version,
            WalSegmentSizeMb = segmentMb,
            Configuration = ["wal_keep_size = 4GB", "max_wal_size = 1GB", "wal_level = logical", "max_prepared_transactions = 5", "autovacuum = off"],
        });
        var place = await cluster.NewDirectoryAsync("space");
        await LiveAsync(cluster, place);
        await LoseTheRestOfARecordAsync(cluster);
        await cluster.SqlAsync("INSERT INTO t SELECT i, 'after the crash' FROM generate_series(1, 500) i");
        await cluster.StopAsync();
        return await CollectAsync(cluster, new(segmentMb << 20), place);
    }

    static async Task LiveAsync(TestCluster cluster, string place)
    {
        foreach (var statement in (string[])[
            "CREATE TABLE t (i int, s text)",
            "INSERT INTO t SELECT i, repeat('z', i % 300) FROM generate_series(1, 5000) i",
            "CREATE INDEX ON t (i)",
            "CREATE INDEX ON t USING hash (s)",
            "CREATE INDEX ON t USING brin (i)",
            "CREATE TABLE p AS SELECT ARRAY[i, i + 1] a, point(i, i) p FROM generate_series(1, 2000) i",
            "CREATE INDEX ON p USING gin (a)",
            "CREATE INDEX ON p USING gist (p)",
            "CREATE INDEX ON p USING spgist (p)",
            "INSERT INTO p SELECT ARRAY[i, i + 1] a, point(i, -i) p FROM generate_series(1, 500) i",
            "CREATE SEQUENCE q; SELECT nextval('q')",
            "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (0, 'a'); SAVEPOINT b; INSERT INTO t VALUES (0, 'b'); COMMIT",
            "BEGIN; INSERT INTO t VALUES (0, 'c'); PREPARE TRANSACTION 'x'",
            "COMMIT PREPARED 'x'",
            "SELECT pg_logical_emit_message(true, 'x', repeat('abcdefgh', 400000))",
            "SELECT pg_switch_wal()",
            "CHECKPOINT",
            "UPDATE t SET s = s || 'q' WHERE i % 3 = 0",
            "DELETE FROM t WHERE i % 7 = 0",
            "VACUUM FREEZE t",
            "SELECT pg_create_restore_point('here'), pg_switch_wal()",
            $"CREATE TABLESPACE space LOCATION '{place}'",
            "CREATE TABLE u TABLESPACE space AS SELECT * FROM t",
            "TRUNCATE u",
            "DROP TABLE u",
            "CREATE DATABASE d",
        ])
        {
            await cluster.SqlAsync(statement);
        }
        for (var i = 0; i < 200; i++)
        {
            await cluster.SqlAsync($"INSERT INTO t VALUES ({i}, repeat('w', {i * 37 % 9000}))");
        }
    }

    // As in PostgreSQL's own test: the segments with the rest of a long record vanish, so that recovery abandons it.
    static async Task LoseTheRestOfARecordAsync(TestCluster cluster)
    {
        var size = new SegmentSize((int)await cluster.ScalarAsync<long>("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'"));
        await cluster.SqlAsync("CHECKPOINT");
        var before = Lsn.Parse(await cluster.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text"));
        await cluster.SqlAsync($"SELECT pg_logical_emit_message(false, 'y', repeat('12345678', {size.Bytes / 4})), txid_current()");
        await cluster.KillAsync();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "pg_wal")))
        {
            if (SegmentName.TryParse(Path.GetFileName(file), out var name) && name.Number(size) > size.NumberOf(before))
            {
                File.Delete(file);
            }
        }
        await cluster.StartAsync();
    }

    /// <summary>All WAL of a stopped cluster.</summary>
    public static async Task<WalSample> CollectAsync(TestCluster cluster, SegmentSize size, string place)
    {
        var directory = Path.Combine(cluster.DataDirectory, "pg_wal");
        var segments = Directory.EnumerateFiles(directory)
            .Select(file => (Ok: SegmentName.TryParse(Path.GetFileName(file), out var name), Name: name, File: file))
            .Where(found => found.Ok).OrderBy(found => found.Name)
            .Select(found => (found.Name, File.ReadAllBytes(found.File))).ToList();
        var start = segments[0].Name.Start(size);
        var dump = await cluster.RunAsync("pg_waldump", "--path", directory, "--start", start.ToString());
        return new()
        {
            SegmentSize = size,
            SystemIdentifier = ControlFile.Parse(await File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, "global", "pg_control"))).SystemIdentifier,
            Segments = segments,
            Lines = dump.OutputLines,
            Listed = [.. dump.OutputLines.Select(line => WaldumpLine().Match(line)).Select(ListedRecord.Of)],
            EndMessage = dump.Error,
            TablespacePath = place,
        };
    }

    [GeneratedRegex(@"^rmgr: (?<manager>\S+) +len \(rec/tot\): +\d+/ *(?<length>\d+), tx: +(?<xid>\d+), lsn: (?<lsn>[0-9A-F/]+), prev (?<previous>[0-9A-F/]+), desc: (?<what>\S*)")]
    private static partial Regex WaldumpLine();
}
