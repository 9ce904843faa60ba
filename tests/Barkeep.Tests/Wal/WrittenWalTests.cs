using Barkeep.Wal;
using CsCheck;
using Xunit;

namespace Barkeep.Tests.Wal;

public sealed class WrittenWalTests
{
    static readonly SegmentSize OneMb = new(1 << 20);

    // Lengths that let headers end and begin anywhere around the end of a page, and some that span several.
    static readonly Gen<int> DataLengths = Gen.OneOf(Gen.Int[0, 200], Gen.Int[8000, 8300], Gen.Int[0, 40_000]);

    [Fact]
    public void Records_laid_out_anyhow_are_all_seen() =>
        DataLengths.Array[1, 150].Sample(
            lengths =>
            {
                var wal = new WrittenWal(OneMb, 7);
                foreach (var length in lengths)
                {
                    wal.Add(ResourceManager.Heap, 0x10, new byte[length]);
                }
                var seen = new SeenRecords();
                var walker = Walker(wal);
                walker.Append(wal.ToArray(), ref seen);

                Assert.Equal(wal.Records, seen.All.Select(record => (record.Start, (int)record.Header.Length)));
                Assert.True(walker.Defect is null or { Kind: WalDefectKind.EndOfWal }, walker.Defect?.ToString());
            },
            iter: 200, threads: 1);

    [Fact]
    public void A_disarmed_tablespace_creation_is_a_valid_record_that_does_nothing_wherever_it_lies() =>
        Gen.Select(Gen.Int[7900, 8200], Gen.Int[0, 130], Gen.Byte[0, 15]).Sample(
            (distance, pages, flags) =>
            {
                var wal = new WrittenWal(OneMb, 7);
                for (var i = 0; i < pages; i++)
                {
                    wal.Add(ResourceManager.Heap, 0, new byte[8168 - RecordHeader.Size]);
                }
                wal.Add(ResourceManager.Heap, 0, new byte[distance - RecordHeader.Size]);
                wal.Add(ResourceManager.Tablespace, flags, [255, 9, 0x39, 0x30, 0, 0, (byte)'/', (byte)'o', (byte)'l', (byte)'d', 0]);
                wal.Add(ResourceManager.Tablespace, 0x10, [255, 4, 1, 0, 0, 0]);
                var bytes = wal.ToArray();

                var found = new TablespaceCreations();
                Walker(wal).Append(bytes, ref found);
                var creation = Assert.Single(found.All);
                Assert.Equal((wal.Records[^2].Start, 12345u, "/old"), (creation.Start, creation.Oid, creation.Path));
                foreach (var patch in creation.Disarm(OneMb))
                {
                    bytes[patch.Position - wal.Start] = patch.Value;
                }

                var seen = new SeenRecords();
                var walker = Walker(wal);
                walker.Append(bytes, ref seen);
                Assert.True(walker.Defect is null or { Kind: WalDefectKind.EndOfWal }, walker.Defect?.ToString());
                Assert.Equal(wal.Records.Count, seen.All.Count);
                Assert.Equal((ResourceManager.Xlog, (byte)(0x20 | flags)), (seen.All[^2].Header.Manager, seen.All[^2].Header.Info));
                Assert.Empty(seen.Tablespaces);
            },
            iter: 500, threads: 1);

    [Fact]
    public void An_impossible_length_and_a_broken_link_are_found()
    {
        var wal = new WrittenWal(OneMb, 7);
        wal.Add(ResourceManager.Heap, 0, new byte[100]);
        var second = wal.Add(ResourceManager.Heap, 0, new byte[100]);

        foreach (var (offset, value) in ((int, byte)[])[(3, 0xFF), (0, 5), (8, 0xAA)])
        {
            var bytes = wal.ToArray();
            bytes[second - wal.Start + offset] = value;
            if (offset == 0)
            {
                bytes[second - wal.Start + 1] = 0;
            }
            var walker = Walker(wal);
            walker.Append(bytes);
            Assert.Equal((second, WalDefectKind.Record), (walker.Defect!.Value.Position, walker.Defect.Value.Kind));
            Assert.Equal(second, walker.ValidEnd);
        }
    }

    static RecordWalker Walker(WrittenWal wal) => new(wal.Start, TimelineHistory.Initial(TimelineId.First), OneMb, null);
}
