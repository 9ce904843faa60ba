using System.Buffers.Binary;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>WAL laid out by hand, to put a record at any place: across pages and segments, its header cut anywhere.</summary>
sealed class WrittenWal(SegmentSize size, ulong firstSegment)
{
    readonly List<byte> _bytes = [];
    Lsn _previous;

    public Lsn Start { get; } = size.StartOf(firstSegment);

    public List<(Lsn Start, int Length)> Records { get; } = [];

    Lsn End => Start + _bytes.Count;

    /// <summary>Adds a record; returns where it begins.</summary>
    public Lsn Add(ResourceManager manager, byte info, ReadOnlySpan<byte> data, uint xid = 0)
    {
        var record = new byte[RecordHeader.Size + data.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, record.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), xid);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), _previous.Value);
        record[16] = info;
        record[17] = (byte)manager;
        data.CopyTo(record.AsSpan(RecordHeader.Size));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(20), Crc32C.Append(Crc32C.Of(data), record.AsSpan(0, 20)));

        if (_bytes.Count % PageHeader.PageSize == 0)
        {
            BeginPage(0);
        }
        _previous = End;
        Records.Add((End, record.Length));
        for (var done = 0; done < record.Length;)
        {
            if (_bytes.Count % PageHeader.PageSize == 0)
            {
                BeginPage((uint)(record.Length - done));
            }
            var part = Math.Min(record.Length - done, PageHeader.PageSize - (_bytes.Count % PageHeader.PageSize));
            _bytes.AddRange(record.AsSpan(done, part));
            done += part;
        }
        _bytes.AddRange(new byte[End.AlignUp(8) - End]);
        return _previous;
    }

    /// <summary>Adds a record, of whatever length it takes, after which the next begins at a position: a multiple of 8, and far enough.</summary>
    public void FillUpTo(Lsn position)
    {
        var length = position - End;
        for (var page = End.AlignUp(PageHeader.PageSize); page < position; page += PageHeader.PageSize)
        {
            length -= PageHeader.SizeAt(page, size);
        }
        Add(ResourceManager.LogicalMessage, 0, new byte[length - RecordHeader.Size]);
    }

    /// <summary>All of it, with zeros to the last segment's end.</summary>
    public byte[] ToArray() => [.. _bytes, .. new byte[End.AlignUp(size.Bytes) - End]];

    void BeginPage(uint remaining)
    {
        var page = End;
        var header = new byte[PageHeader.SizeAt(page, size)];
        BinaryPrimitives.WriteUInt16LittleEndian(header, 0xD110);
        header[2] = (byte)((remaining > 0 ? 1 : 0) | (header.Length == PageHeader.LongSize ? 2 : 0));
        header[4] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), page.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), remaining);
        if (header.Length == PageHeader.LongSize)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), 4711);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(32), size.Bytes);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(36), PageHeader.PageSize);
        }
        _bytes.AddRange(header);
    }
}
