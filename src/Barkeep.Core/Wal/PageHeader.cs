using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>
/// The header of each 8 KiB page of a WAL segment (xlog_internal.h, XLogPageHeaderData), and on a segment's first page
/// its long form, which adds what identifies the cluster (XLogLongPageHeaderData).
/// </summary>
public readonly record struct PageHeader
{
    /// <summary>The size of a WAL page in bytes; PostgreSQL can be compiled with others, which are not supported.</summary>
    public const int PageSize = 8192;

    /// <summary>The size in bytes of the header of every page but a segment's first.</summary>
    public const int ShortSize = 24;

    /// <summary>The size in bytes of the header of a segment's first page.</summary>
    public const int LongSize = 40;

    const ushort FirstIsContinuation = 0x0001;
    const ushort LongHeader = 0x0002;
    const ushort Removable = 0x0004;
    const ushort FirstOverwritesContinuation = 0x0008;

    /// <summary>Identifies PostgreSQL's major version: see <see cref="MajorVersion"/>.</summary>
    public ushort Magic { get; private init; }

    public ushort Flags { get; private init; }

    public TimelineId Timeline { get; private init; }

    /// <summary>The page's own position.</summary>
    public Lsn Address { get; private init; }

    /// <summary>How many bytes of a record from earlier pages are still to come, from this page on.</summary>
    public uint RemainingLength { get; private init; }

    /// <summary>The cluster's system identifier; 0 in a short header.</summary>
    public ulong SystemIdentifier { get; private init; }

    /// <summary>The cluster's segment size in bytes; 0 in a short header.</summary>
    public uint SegmentBytes { get; private init; }

    /// <summary>The cluster's WAL page size in bytes; 0 in a short header.</summary>
    public uint PageBytes { get; private init; }

    /// <summary>The page begins with the rest of a record (XLP_FIRST_IS_CONTRECORD).</summary>
    public bool BeginsWithContinuation => (Flags & FirstIsContinuation) != 0;

    /// <summary>The record left unfinished before this page was abandoned after a crash (XLP_FIRST_IS_OVERWRITE_CONTRECORD).</summary>
    public bool AbandonsContinuation => (Flags & FirstOverwritesContinuation) != 0;

    public bool IsLong => (Flags & LongHeader) != 0;

    public bool HasUnknownFlags => (Flags & ~(FirstIsContinuation | LongHeader | Removable | FirstOverwritesContinuation)) != 0;

    /// <summary>PostgreSQL's major version by its magic number (xlog_internal.h, XLOG_PAGE_MAGIC); null when it is not a supported one.</summary>
    public int? MajorVersion => Magic switch
    {
        0xD106 => 13,
        0xD10D => 14,
        0xD110 => 15,
        0xD113 => 16,
        0xD116 => 17,
        0xD118 => 18,
        _ => null,
    };

    /// <summary>Reads a header from at least <see cref="ShortSize"/> bytes, the long part when it is flagged and there.</summary>
    public static PageHeader Parse(ReadOnlySpan<byte> bytes)
    {
        var header = new PageHeader
        {
            Magic = BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            Flags = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]),
            Timeline = new(BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..])),
            Address = new(BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..])),
            RemainingLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]),
        };
        return !header.IsLong || bytes.Length < LongSize ? header : header with
        {
            SystemIdentifier = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]),
            SegmentBytes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            PageBytes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
        };
    }

    /// <summary>The size of the header of the page at this position, in bytes.</summary>
    public static int SizeAt(Lsn page, SegmentSize size) => size.OffsetOf(page) < PageSize ? LongSize : ShortSize;

    /// <summary>The position so many bytes of record after another: the headers of the pages that begin between them do not count.</summary>
    public static Lsn Advance(Lsn from, int bytes, SegmentSize size)
    {
        var at = from;
        for (var left = bytes; ;)
        {
            var pageEnd = (at + 1).AlignUp(PageSize);
            if (left < pageEnd - at)
            {
                return at + left;
            }
            left -= (int)(pageEnd - at);
            at = pageEnd + SizeAt(pageEnd, size);
        }
    }
}
