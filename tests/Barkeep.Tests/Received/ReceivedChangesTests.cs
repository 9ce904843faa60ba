using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Tests.Rig;
using Barkeep.Tests.Wal;
using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Received;

/// <summary>The changes between two positions, with the WAL and its noted changes in every state that they can be in.</summary>
public sealed class ReceivedChangesTests : IDisposable
{
    static readonly TimelineHistory History = TimelineHistory.Initial(TimelineId.First);

    readonly string _directory = RigRoot.NewDirectory("received");
    List<(SegmentChanges Whole, SegmentChanges Alone)> _changes = [];

    public enum Noted
    {
        No,
        Whole,
        WithoutTheFirstRecord,
        Damaged,
    }

    public void Dispose() => RigRoot.Remove(_directory);

    [Theory]
    [InlineData(13)]
    [InlineData(18)]
    public async Task They_are_those_of_the_records_whatever_has_been_noted_of_each_segment(int version)
    {
        var wal = (await ChangefulLife.OfAsync(version)).Wal;
        var (lineage, spool) = await StoreAsync(wal, _ => Noted.No);
        // The last segment that holds a record is the tail.
        var tail = wal.Locate(wal.Listed[^1].Start).Segment;
        await Gen.Select(Gen.Enum<Noted>().Array[wal.Segments.Count], Gen.Int[0, wal.Lines.Count - 1], Gen.Int[0, wal.Lines.Count - 1]).SampleAsync(
            async (noted, a, b) =>
            {
                await NoteAsync(wal, lineage, i => i < tail ? noted[i] : Noted.No);
                var (first, last) = (Math.Min(a, b), Math.Max(a, b));
                var (from, to) = (wal.Listed[first].Start, wal.Listed[last].Start);
                var received = await ReceivedWal.ListAsync(lineage.Wal, spool, default);

                var found = await ReceivedChanges.CollectAsync(lineage, spool, received, History, from, to, default);

                Assert.Null(found.Obstacle);
                var least = DumpedChanges.OfDump(wal.Lines.Skip(first).Take(last - first));
                // What was noted of the last segment may reach beyond.
                var most = DumpedChanges.OfDump(wal.Lines.Zip(wal.Listed).Skip(first).TakeWhile(r => r.Second.Start < to.AlignUp(wal.SegmentSize.Bytes)).Select(r => r.First));
                var ours = DumpedChanges.Of(found.Changes!);
                Assert.True(ours.Covers(least), "less than the records say");
                Assert.True(most.Covers(ours), "more than the segments say");
            },
            iter: 6, threads: 1);
    }

    [Fact]
    public async Task Nothing_is_collected_between_a_position_and_itself()
    {
        var wal = (await ChangefulLife.OfAsync(18)).Wal;
        var (lineage, spool) = await StoreAsync(wal, _ => Noted.No);
        var received = await ReceivedWal.ListAsync(lineage.Wal, spool, default);
        var at = wal.Listed[wal.Lines.Count / 2].Start;
        Assert.Empty((await ReceivedChanges.CollectAsync(lineage, spool, received, History, at, at, default)).Changes!.Forks);
        Assert.Contains("lies before", (await ReceivedChanges.CollectAsync(lineage, spool, received, History, at, wal.Listed[0].Start, default)).Obstacle!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wal_yet_to_come_missing_damaged_and_in_a_gap_is_told_apart()
    {
        var wal = (await ChangefulLife.OfAsync(15)).Wal;
        var (lineage, spool) = await StoreAsync(wal, _ => Noted.Whole);
        var tail = wal.Locate(wal.Listed[^1].Start).Segment;
        var (from, to) = (wal.Listed[0].Start, wal.Listed[^1].Start);

        // All is there.
        Assert.Null((await FindAsync()).Obstacle);

        // The tail ends within the last record before: its bytes, then also as a crash tears them.
        var before = wal.Listed[^2];
        var tailFile = spool.PathOf(wal.Segments[tail].Name);
        var whole = await File.ReadAllBytesAsync(tailFile);
        await File.WriteAllBytesAsync(tailFile, whole[..(wal.Locate(before.Start).Offset + 10)]);
        var found = await FindAsync();
        Assert.True(found is { IsYetToCome: true, Changes: null, Obstacle: { } text } && text.Contains(wal.Segments[tail].Name.ToString(), StringComparison.Ordinal));
        var torn = (byte[])whole.Clone();
        torn.AsSpan(wal.Locate(before.Start).Offset + 10).Clear();
        await File.WriteAllBytesAsync(tailFile, torn);
        Assert.True(await FindAsync() is { IsYetToCome: true, Changes: null });
        File.Delete(tailFile);
        Assert.True(await FindAsync() is { IsYetToCome: true, Changes: null });
        await File.WriteAllBytesAsync(tailFile, whole);

        // A segment that is damaged; what was noted of it suffices, without that it does not.
        var name = wal.Segments[2].Name;
        var path = Path.Combine(_directory, $"repository/{lineage.Identity.SystemId}/wal/{name.ToString()[..16]}/{name}");
        var stored = await File.ReadAllBytesAsync(path);
        stored[stored.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(path, stored);
        Assert.Null((await FindAsync()).Obstacle);
        File.Delete(path.Replace("/wal/", "/changes/", StringComparison.Ordinal));
        found = await FindAsync();
        Assert.True(found is { IsYetToCome: false, Changes: null, Obstacle: { } damage } && damage.Contains($"{name} is damaged", StringComparison.Ordinal));

        // A segment that is not there, then with the reason.
        File.Delete(path);
        found = await FindAsync();
        Assert.Equal((false, $"WAL segment {name} is missing"), (found.IsYetToCome, found.Obstacle));
        await lineage.Wal.RecordGapAsync(new(TimelineId.First, name.Start(wal.SegmentSize), name.End(wal.SegmentSize), "the server has removed it", SmallRepository.Clock), default);
        found = await FindAsync();
        Assert.True(found is { IsYetToCome: false, Obstacle: { } gap } && gap.EndsWith("is missing: the server has removed it", StringComparison.Ordinal));

        async Task<ReceivedChanges> FindAsync() =>
            await ReceivedChanges.CollectAsync(lineage, spool, await ReceivedWal.ListAsync(lineage.Wal, spool, default), History, from, to, default);
    }

    /// <summary>Stores all complete segments, and the last one that holds records as a tail in the spool.</summary>
    async Task<(Lineage, WalSpool)> StoreAsync(WalSample wal, Func<int, Noted> noted)
    {
        _changes = Walk(wal);
        var (lineage, spool) = await wal.StoreAsync(_directory, static offset => offset + 10);
        var tail = wal.Locate(wal.Listed[^1].Start).Segment;
        await NoteAsync(wal, lineage, i => i < tail ? noted(i) : Noted.No);
        return (lineage, spool);
    }

    async Task NoteAsync(WalSample wal, Lineage lineage, Func<int, Noted> noted)
    {
        var changesDirectory = Path.Combine(_directory, $"repository/{lineage.Identity.SystemId}/changes");
        if (Directory.Exists(changesDirectory))
        {
            Directory.Delete(changesDirectory, recursive: true);
        }
        foreach (var ((name, _), i) in wal.Segments.Select((s, i) => (s, i)))
        {
            if (noted(i) is var state && state != Noted.No)
            {
                var (whole, alone) = _changes[i];
                await lineage.Wal.PutChangesAsync(name, state == Noted.WithoutTheFirstRecord ? alone : whole, default);
                if (state == Noted.Damaged)
                {
                    var path = Path.Combine(changesDirectory, name.ToString()[..16], name.ToString());
                    await File.WriteAllBytesAsync(path, (await File.ReadAllBytesAsync(path))[..^1]);
                }
            }
        }
    }

    /// <summary>What a walk that has come from before says of each segment, and what one that begins with it.</summary>
    static List<(SegmentChanges Whole, SegmentChanges Alone)> Walk(WalSample wal)
    {
        var running = wal.Walker();
        return [.. wal.Segments.Select((segment, i) => (Over(running, segment.Bytes), Over(wal.WalkerFrom(i), segment.Bytes)))];

        static SegmentChanges Over(RecordWalker walker, byte[] bytes)
        {
            var skipped = walker.SkippedBytes;
            var changes = new BlockChanges();
            var collector = new BlockChangeCollector(changes);
            walker.Append(bytes, ref collector);
            return new(changes, walker.SkippedBytes == skipped);
        }
    }
}
