using System.Buffers.Binary;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Recovery;

public sealed class LateCommitsTests : IDisposable
{
    const ulong First = 2;

    // Of WAL that is laid out by hand.
    static readonly ClusterIdentity Identity = SmallRepository.Identity with { SystemId = 4711 };
    static readonly SegmentSize Size = Identity.SegmentSize;
    static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    readonly string _directory = RigRoot.NewDirectory("late");

    public void Dispose() => RigRoot.Remove(_directory);

    [Theory]
    // In minutes after noon when each was committed, the target's, and the one that is told of; -1: none.
    [InlineData(new double[] { 0, 1, 2, 3 }, 1.5, -1)]
    [InlineData(new double[] { 0, 60, 1, 2 }, 30, 3)]
    [InlineData(new double[] { 0, 60, 1, 45 }, 30, 2)]
    [InlineData(new double[] { 0, 60, 45, 90 }, 30, -1)]
    // Half a second is what waiting for a place in the WAL may take.
    [InlineData(new double[] { 0, 1, 0.995, 2 }, 0.999, -1)]
    public async Task A_commit_behind_the_stop_and_before_the_time_is_found_whatever_is_noted(double[] minutes, double target, int expected)
    {
        // The first two in one segment, each of the others in its own, the last in the tail.
        var wal = new WrittenWal(Size, First);
        var positions = new List<Lsn>();
        for (var i = 0; i < minutes.Length; i++)
        {
            if (i > 1)
            {
                wal.FillUpTo(Size.StartOf(First + (ulong)i - 1) + 1024);
            }
            // A record's own data has a head: its kind, and its length.
            var time = new byte[2 + sizeof(long)];
            (time[0], time[1]) = (255, sizeof(long));
            BinaryPrimitives.WriteInt64LittleEndian(time.AsSpan(2), TimestampTz.From(Noon.AddMinutes(minutes[i])).Microseconds);
            positions.Add(wal.Add(ResourceManager.Transaction, 0, time, 700 + (uint)i));
        }
        var repository = await Repository.OpenAsync(Path.Combine(_directory, "repository"), default);
        var lineage = await repository.AdoptAsync(Identity, acceptNew: false, SmallRepository.Clock, default);
        var spool = new WalSpool(Directory.CreateDirectory(Path.Combine(_directory, "spool")).FullName, Size);
        var segments = wal.ToArray().Chunk(Size.Bytes).ToList();
        for (var i = 0; i < segments.Count; i++)
        {
            var name = SegmentName.Of(TimelineId.First, First + (ulong)i, Size);
            if (i == segments.Count - 1)
            {
                await File.WriteAllBytesAsync(spool.PathOf(name), segments[i]);
                break;
            }
            await lineage.Wal.PutSegmentAsync(name, new MemoryStream(segments[i]), default);
        }
        var backup = SmallRepository.Info(SmallRepository.First) with { SystemId = $"{Identity.SystemId}", BeginLsnText = $"{positions[0]}", EndLsnText = $"{positions[0]}", BeginTime = Noon.AddMinutes(-1), EndTime = Noon };
        var route = WalRoute.Choose(await ReceivedWal.ListAsync(lineage.Wal, spool, default), TimelineId.First, positions[0], positions[0], null)!;
        var until = RecoveryTarget.AtTime(Noon.AddMinutes(target));

        for (var noted = 0; noted < segments.Count; noted++)
        {
            var outcome = await TargetSearch.FindAsync(lineage, spool, route, backup, until, default);
            var late = await LateCommits.FindLastAsync(lineage, spool, route, until, outcome.Stop!.Value, default);
            Assert.Equal(expected < 0 ? null : positions[expected], late?.Position);
            if (noted < segments.Count - 1)
            {
                await NoteAsync(lineage, segments, noted);
            }
        }
    }

    static async Task NoteAsync(Lineage lineage, List<byte[]> segments, int index)
    {
        var walker = new RecordWalker(Size.StartOf(First), TimelineHistory.Initial(TimelineId.First), Size, null);
        var moments = new Moments();
        for (var i = 0; i <= index; i++)
        {
            moments = new();
            var collector = new MomentCollector(moments);
            walker.Append(segments[i], ref collector);
        }
        await lineage.Wal.PutMomentsAsync(SegmentName.Of(TimelineId.First, First + (ulong)index, Size), new(moments, moments.Bounds, IsWhole: true), default);
    }
}
