using System.Buffers.Binary;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>The records that prove whose WAL it is, wherever they lie.</summary>
public sealed class WalProofTests : IDisposable
{
    const int CheckpointSize = 88;
    static readonly SegmentSize Size = new(1 << 20);
    static readonly DateTimeOffset Time = new(2026, 11, 23, 13, 12, 51, TimeSpan.Zero);

    readonly string _directory = RigRoot.NewDirectory("proof");

    public void Dispose() => RigRoot.Remove(_directory);

    [Fact]
    public async Task A_checkpoint_and_a_backups_end_are_found_in_the_middle_of_a_page_across_pages_and_across_segments()
    {
        // So that each begins everywhere before the end of a page, then of a segment.
        for (var rest = 8; rest <= 160; rest += 8)
        {
            foreach (var boundary in (int[])[5 * PageHeader.PageSize, Size.Bytes])
            {
                var (lineage, parts, info) = await StoreAsync(rest, boundary);
                var proof = new WalProof(lineage, null, TimelineHistory.Initial(TimelineId.First), parts);
                Assert.Null(await proof.FindContradictionAsync(info, default));
                var checkpoint = info.Checkpoint!.Value;
                Assert.True(await proof.HasAsync(checkpoint, default));
                Assert.False(await proof.HasAsync(checkpoint with { Time = Time.AddSeconds(1) }, default));
                Assert.False(await proof.HasAsync(checkpoint with { Redo = checkpoint.Redo + 8 }, default));
                Assert.False(await proof.HasAsync(checkpoint with { Position = checkpoint.Position + 8 }, default));
                Assert.Null(await proof.HasAsync(checkpoint with { Position = parts[^1].Segment.Name.End(Size) }, default));
                Assert.Contains("checkpoint", (await proof.FindContradictionAsync(info with { CheckpointTime = Time.AddSeconds(-1) }, default))!, StringComparison.Ordinal);
                var elsewhere = info with { EndLsnText = (info.EndLsn + 8).ToString() };
                Assert.Contains("the backup's end", (await proof.FindContradictionAsync(elsewhere, default))!, StringComparison.Ordinal);
                Assert.Null(await proof.FindContradictionAsync(elsewhere with { FromStandby = true }, default));
                Assert.Null(await proof.FindContradictionAsync(elsewhere with { CheckpointLsnText = null }, default));
            }
        }
    }

    [Fact]
    public async Task Where_the_WAL_ends_before_a_record_does_nothing_is_known_of_it()
    {
        var (lineage, parts, info) = await StoreAsync(48, Size.Bytes);
        var history = TimelineHistory.Initial(TimelineId.First);
        var checkpoint = info.Checkpoint!.Value;
        for (var keep = Size.OffsetOf(checkpoint.Position) - 16; keep <= Size.Bytes; keep += 8)
        {
            Assert.Null(await new WalProof(lineage, null, history, [parts[0] with { Keep = keep }]).HasAsync(checkpoint, default));
        }
        Assert.Null(await new WalProof(lineage, null, history, [parts[1]]).HasAsync(checkpoint, default));
        Assert.True(await new WalProof(lineage, null, history, [parts[0], parts[1]]).HasAsync(checkpoint, default));
    }

    /// <summary>Stores WAL in which a checkpoint begins so many bytes before a boundary, and a backup's end so many before the next.</summary>
    async Task<(Lineage, List<WalPart>, BackupInfo)> StoreAsync(int rest, int boundary)
    {
        var wal = new WrittenWal(Size, 3);
        var begin = wal.Add(ResourceManager.Xlog, 0x80, [1, 2, 3, 4]);
        wal.FillUpTo(wal.Start + boundary + -rest);
        var checkpoint = wal.Add(ResourceManager.Xlog, 0x10, [255, CheckpointSize, .. Checkpoint(begin)]);
        Assert.Equal(boundary - rest, checkpoint - wal.Start);
        wal.FillUpTo(wal.Start + (2 * boundary) + -rest);
        wal.Add(ResourceManager.Xlog, 0x50, [255, sizeof(ulong), .. BitConverter.GetBytes(begin.Value)]);
        var next = wal.Add(ResourceManager.Xlog, 0x20, [0]);
        // As PostgreSQL reports ends: before the header of a page that follows.
        var page = next.AlignDown(PageHeader.PageSize);
        var end = next - page == PageHeader.SizeAt(page, Size) ? page : next;

        var repository = await Repository.OpenAsync(Path.Combine(_directory, $"{boundary}-{rest}"), default);
        var lineage = await repository.AdoptAsync(new(4711, 15, Size), acceptNew: false, Time, default);
        var bytes = wal.ToArray();
        var parts = new List<WalPart>();
        for (var at = 0; at < bytes.Length; at += Size.Bytes)
        {
            var name = SegmentName.Containing(TimelineId.First, wal.Start + at, Size);
            await lineage.Wal.PutSegmentAsync(name, new MemoryStream(bytes, at, Size.Bytes), default);
            parts.Add(new(new(name, WalPlace.Repository, Size.Bytes, true, Size.Bytes), Size.Bytes));
        }
        return (lineage, parts, Backup(begin, checkpoint, end));
    }

    static byte[] Checkpoint(Lsn redo)
    {
        var data = new byte[CheckpointSize];
        BinaryPrimitives.WriteUInt64LittleEndian(data, redo.Value);
        BinaryPrimitives.WriteInt64LittleEndian(data.AsSpan(64), Time.ToUnixTimeSeconds());
        return data;
    }

    static BackupInfo Backup(Lsn begin, Lsn checkpoint, Lsn end) => SmallRepository.Info(SmallRepository.First) with
    {
        BeginLsnText = begin.ToString(),
        EndLsnText = end.ToString(),
        CheckpointLsnText = checkpoint.ToString(),
        CheckpointTime = Time,
    };
}
