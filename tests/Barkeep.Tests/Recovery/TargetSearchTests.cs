using System.Globalization;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Recovery;

/// <summary>
/// Where recovery would stop, compared with PostgreSQL's rules applied to the lines of pg_waldump one by one, with what is noted of the segments
/// in every state that it can be in.
/// </summary>
public sealed class TargetSearchTests : IDisposable
{
    readonly string _directory = RigRoot.NewDirectory("search");

    public enum Noted
    {
        No,
        Whole,
        WithoutTheFirstRecord,
        Damaged,
    }

    public void Dispose() => RigRoot.Remove(_directory);

    [Theory]
    [InlineData(13, false)]
    [InlineData(15, true)]
    [InlineData(18, true)]
    [InlineData(14, true, Traits = ["Category", "slow"])]
    [InlineData(16, false, Traits = ["Category", "slow"])]
    public async Task It_stops_where_the_rules_say_whatever_is_noted_of_the_segments(int version, bool hasRestorePoint)
    {
        var wal = hasRestorePoint ? await WalSample.OfAsync(version) : (await ChangefulLife.OfAsync(version)).Wal;
        var records = Records(wal);
        var (lineage, spool) = await StoreAsync(wal);
        var tail = wal.Locate(records[^1].Start).Segment;
        var ends = records.Where(static r => r.Ends).ToList();
        var seen = new HashSet<string>();

        var choice = Gen.Select(Gen.Enum<Noted>().Array[wal.Segments.Count], Gen.Int[0, records.Count / 2], Gen.Int[0, 400]);
        var targets = Gen.Select(Gen.Enum<RecoveryTargetKind>(), Gen.Int[0, ends.Count - 1], Gen.Int[0, records.Count - 1], Gen.Int[-1, 1], Gen.Bool).Array[12];
        await Gen.Select(choice, targets).SampleAsync(
            async (how, wanted) =>
            {
                var (noted, first, more) = how;
                await NoteAsync(wal, lineage, i => i < tail ? noted[i] : Noted.No);
                var (begin, consistent) = (records[first].Start, records[Math.Min(first + more, records.Count - 1)].End);
                var route = await RouteAsync(lineage, spool, begin, consistent);
                foreach (var (kind, end, record, off, inclusive) in wanted)
                {
                    var target = Target(kind, ends[end], records[record], off) with { IsInclusive = inclusive };
                    var expected = Model(records, wal, target, begin, consistent);

                    var outcome = await TargetSearch.FindAsync(lineage, spool, route, Backup(wal, begin, consistent), target, default);

                    var ours = outcome.Stop is { } stop ? $"{(stop.IsAfter ? "after" : "before")} {stop.Position} {stop.Xid}" : outcome.IsBeforeBackup ? "too early" : "never";
                    Assert.True(expected.What == ours, $"{target} from {begin}, consistent at {consistent}: {ours} instead of {expected.What}; {outcome.Obstacle}");
                    Assert.Equal(outcome.Stop is null, outcome.Obstacle is not null);
                    if (outcome.Stop is not null)
                    {
                        var last = outcome.LastCommit?.Position;
                        Assert.Equal(expected.LastCommit, last < begin.AlignDown(wal.SegmentSize.Bytes) ? null : last);
                    }
                    seen.Add($"{kind} {ours.Split(' ')[0]}");
                }
            },
            iter: 25, threads: 1);

        Assert.Superset(
            new HashSet<string> { "Time before", "Xid after", "Xid before", "Lsn after", "Lsn before", "Immediate before", "Lsn too", "Xid never", hasRestorePoint ? "Name after" : "Name never" }, seen);
    }

    // PostgreSQL's rules (manual, "Recovery Target"): one record after the other, from the first that is replayed.
    static (string What, Lsn? LastCommit) Model(IReadOnlyList<ModelRecord> records, WalSample wal, RecoveryTarget target, Lsn begin, Lsn consistent)
    {
        var time = TimestampTz.From(target.Time).Microseconds;
        var firstSegment = wal.SegmentSize.NumberOf(begin);
        Lsn? last = null;
        foreach (var record in records)
        {
            if (record.Start < begin)
            {
                // Segments before that of the begin are on no route.
                last = record.IsCommit && wal.SegmentSize.NumberOf(record.Start) >= firstSegment ? record.Start : last;
                // What has ended before the backup began, and later than the target, is in the backup.
                if (target.Kind == RecoveryTargetKind.Time && record.Ends && IsBeyond(record.Time) && wal.SegmentSize.NumberOf(record.Start) == firstSegment)
                {
                    return ("too early", null);
                }
                continue;
            }
            var (stops, after) = target.Kind switch
            {
                RecoveryTargetKind.Time => (record.Ends && IsBeyond(record.Time), false),
                RecoveryTargetKind.Xid => (record.Ends && record.Xid == target.Xid, target.IsInclusive),
                RecoveryTargetKind.Lsn => (record.Start >= target.Lsn, target.IsInclusive),
                RecoveryTargetKind.Name => (record.Name == target.Name, true),
                // recoveryStopsAfter looks at consistency only after a transaction's records.
                _ => (record.Start >= consistent || (record.IsTransaction && record.End >= consistent), record.Start < consistent),
            };
            if (stops)
            {
                last = after && record.IsCommit ? record.Start : last;
                return (after ? record.End : record.Start) < consistent ? ("too early", null) : ($"{(after ? "after" : "before")} {record.Start} {(record.Ends ? record.Xid : 0)}", last);
            }
            last = record.IsCommit ? record.Start : last;
        }
        return ("never", null);

        bool IsBeyond(long at) => target.IsInclusive ? at > time : at >= time;
    }

    static RecoveryTarget Target(RecoveryTargetKind kind, ModelRecord end, ModelRecord record, int off) => kind switch
    {
        RecoveryTargetKind.Time => RecoveryTarget.AtTime(new TimestampTz(end.Time + off).ToDateTimeOffset()),
        RecoveryTargetKind.Xid => RecoveryTarget.AtXid(off == -1 ? 2_000_000_000 : end.Xid),
        RecoveryTargetKind.Lsn => RecoveryTarget.AtLsn(off == 1 ? new(record.Start.Value + 1) : record.Start),
        RecoveryTargetKind.Name => RecoveryTarget.AtName(off == 1 ? "nowhere" : "here"),
        _ => RecoveryTarget.Immediate,
    };

    static List<ModelRecord> Records(WalSample wal)
    {
        var seen = new SeenRecords();
        var walker = wal.Walker();
        wal.Segments.ToList().ForEach(s => walker.Append(s.Bytes, ref seen));
        return [.. wal.Lines.Zip(wal.Listed, seen.All).Select(static r => ModelRecord.Of(r.First, r.Second.Start, r.Third.End))];
    }

    static BackupInfo Backup(WalSample wal, Lsn begin, Lsn end) => SmallRepository.Info(SmallRepository.First) with
    {
        SystemId = wal.SystemIdentifier.ToString(CultureInfo.InvariantCulture),
        SegmentSize = wal.SegmentSize.Bytes,
        BeginLsnText = begin.ToString(),
        EndLsnText = end.ToString(),
        BeginTime = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero),
        EndTime = new(2000, 1, 1, 0, 0, 1, TimeSpan.Zero),
    };

    static async Task<WalRoute> RouteAsync(Lineage lineage, WalSpool spool, Lsn begin, Lsn end)
    {
        var received = await ReceivedWal.ListAsync(lineage.Wal, spool, default);
        return WalRoute.Choose(received, TimelineId.First, begin, end, null)!;
    }

    /// <summary>Stores all complete segments, and the last one that holds records as a tail in the spool.</summary>
    Task<(Lineage, WalSpool)> StoreAsync(WalSample wal) => wal.StoreAsync(_directory, _ => wal.SegmentSize.Bytes);

    async Task NoteAsync(WalSample wal, Lineage lineage, Func<int, Noted> noted)
    {
        var directory = Path.Combine(_directory, $"repository/{lineage.Identity.SystemId}/moments");
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
        var running = wal.Walker();
        for (var i = 0; i < wal.Segments.Count; i++)
        {
            var (name, bytes) = wal.Segments[i];
            var whole = Over(running, bytes);
            if (noted(i) is var state && state != Noted.No)
            {
                await lineage.Wal.PutMomentsAsync(name, state == Noted.WithoutTheFirstRecord ? Over(wal.WalkerFrom(i), bytes) : whole, default);
                if (state == Noted.Damaged)
                {
                    var path = Path.Combine(directory, name.ToString()[..16], name.ToString());
                    var stored = await File.ReadAllBytesAsync(path);
                    stored[i % 2 == 0 ? 100 : stored.Length - 20] ^= 1;
                    await File.WriteAllBytesAsync(path, stored);
                }
            }
        }

        static SegmentMoments Over(RecordWalker walker, byte[] bytes)
        {
            var skipped = walker.SkippedBytes;
            var moments = new Moments();
            var collector = new MomentCollector(moments);
            walker.Append(bytes, ref collector);
            return new(moments, moments.Bounds, walker.SkippedBytes == skipped);
        }
    }

    sealed record ModelRecord(Lsn Start, Lsn End, bool IsTransaction, bool IsCommit, bool IsAbort, uint Xid, long Time, string? Name)
    {
        public bool Ends => IsCommit || IsAbort;

        public static ModelRecord Of(string line, Lsn start, Lsn end)
        {
            var told = DumpedMoments.Of(line).Select(static t => t.Split(' ', 2)).ToList();
            var ended = told.FirstOrDefault(static t => t[0] is "commit" or "abort");
            var numbers = ended?[1].Split(' ');
            return new(
                start, end, line.StartsWith("rmgr: Transaction", StringComparison.Ordinal), ended?[0] == "commit", ended?[0] == "abort",
                numbers is null ? 0 : uint.Parse(numbers[0], CultureInfo.InvariantCulture), numbers is null ? 0 : long.Parse(numbers[1], CultureInfo.InvariantCulture),
                told.FirstOrDefault(static t => t[0] == "point")?[1]);
        }
    }
}
