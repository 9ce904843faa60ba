using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using Barkeep.Common;

namespace Barkeep.Wal;

/// <summary>
/// Checks a timeline's WAL as its bytes pass: every page header, every record's CRC and its link to the record before.
/// Bytes come in order from a segment's start on, cut anywhere; records may span pages and segments and are, but for those
/// that end a transaction, never held whole. What is wrong is a value, <see cref="Defect"/>: from there on nothing more is looked at.
/// </summary>
/// <remarks>
/// A walk that begins within a record cannot check that record: its bytes are counted in <see cref="SkippedBytes"/>.
/// One that continues over several segments checks the records between them too.
/// Not safe for use by several threads at once.
/// </remarks>
public sealed class RecordWalker
{
    /// <summary>How much of a record's start a visitor is shown, in bytes: more than all block references take (33 of 27 bytes).</summary>
    public const int HeadLimit = 2048;

    /// <summary>How much of a transaction's record a visitor is shown, in bytes: a commit that drops a million relations.</summary>
    public const int TransactionLimit = 16 << 20;

    // XLogRecordMaxSize is 1020 MiB since PostgreSQL 16; before, what palloc could hold (1 GiB).
    const uint MaxRecordLength = 1 << 30;
    const int Alignment = 8;

    readonly TimelineHistory _history;
    readonly Lsn _timelineBegin;
    readonly SegmentSize _segmentSize;
    readonly byte[] _pageHead = new byte[PageHeader.LongSize];
    byte[] _head = new byte[HeadLimit];

    // The record being put together: its bytes so far and the CRC of those after the fixed header.
    Lsn _recordStart;
    uint _recordLength;
    uint _recordGot;
    RecordHeader _recordHeader;
    uint _crc;

    // Bytes without meaning before the next record: padding, or the rest of a record whose start was not seen.
    uint _unseenRest;
    int _padding;
    bool _restOfSegmentUnused;
    Lsn? _previous;

    /// <param name="start">Where the bytes begin: a segment's start.</param>
    /// <param name="history">The history of the timeline whose WAL it is; pages before its beginning bear its ancestors' numbers.</param>
    /// <param name="systemIdentifier">The cluster's; when null, that of the first page.</param>
    /// <exception cref="ArgumentException"><paramref name="start"/> is not a segment's start.</exception>
    public RecordWalker(Lsn start, TimelineHistory history, SegmentSize segmentSize, ulong? systemIdentifier)
    {
        if (segmentSize.OffsetOf(start) != 0)
        {
            throw new ArgumentException($"{start} is not the start of a segment of {segmentSize.Bytes} bytes", nameof(start));
        }
        _history = history;
        _timelineBegin = history.Ancestors.Count == 0 ? Lsn.Invalid : history.Ancestors[^1].End;
        _segmentSize = segmentSize;
        SystemIdentifier = systemIdentifier;
        Start = Position = ValidEnd = start;
    }

    /// <summary>Where the walk began.</summary>
    public Lsn Start { get; }

    /// <summary>The position after the last byte that was looked at.</summary>
    public Lsn Position { get; private set; }

    /// <summary>The end of the last whole and valid record, as PostgreSQL reports positions; where the walk began when there was none.</summary>
    public Lsn ValidEnd { get; private set; }

    /// <summary>Where the last whole and valid record begins; invalid when there was none.</summary>
    public Lsn LastStart => _previous ?? Lsn.Invalid;

    /// <summary>What ended the walk; null while nothing has.</summary>
    public WalDefect? Defect { get; private set; }

    /// <summary>The start of a record of which a part has been seen and the rest is yet to come; null between records.</summary>
    public Lsn? PendingRecord => _recordGot > 0 ? _recordStart : null;

    /// <summary>How many bytes at the start belong to a record that began before the walk, and so could not be checked.</summary>
    public long SkippedBytes { get; private set; }

    /// <summary>The cluster's system identifier: the expected one, or what the first page said.</summary>
    public ulong? SystemIdentifier { get; private set; }

    /// <summary>PostgreSQL's major version by the first page; null before it.</summary>
    public int? MajorVersion { get; private set; }

    /// <summary>Whether all bytes up to a segment's end have passed and none of them was wrong.</summary>
    public bool EndsWholeSegment => Defect is null && Position > Start && _segmentSize.OffsetOf(Position) == 0;

    /// <summary>Walks on over the next bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        var nobody = default(Nobody);
        Append(bytes, ref nobody);
    }

    /// <summary>Walks on over the next bytes and shows each record that ends in them to the visitor.</summary>
    public void Append<TVisitor>(ReadOnlySpan<byte> bytes, ref TVisitor visitor)
        where TVisitor : struct, IRecordVisitor, allows ref struct
    {
        while (!bytes.IsEmpty && Defect is null)
        {
            var inPage = (int)(Position.Value % PageHeader.PageSize);
            int taken;
            if (_restOfSegmentUnused)
            {
                taken = TakeUnused(bytes);
            }
            else if (inPage < PageHeader.SizeAt(Position, _segmentSize))
            {
                taken = TakePageHeader(bytes, inPage);
            }
            else
            {
                taken = TakeRecords(bytes[..Math.Min(bytes.Length, PageHeader.PageSize - inPage)], ref visitor);
            }
            bytes = bytes[taken..];
            Position += taken;
        }
    }

    int TakeUnused(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(bytes.Length, _segmentSize.Bytes - _segmentSize.OffsetOf(Position));
        _restOfSegmentUnused = _segmentSize.OffsetOf(Position + taken) != 0;
        return taken;
    }

    int TakePageHeader(ReadOnlySpan<byte> bytes, int got)
    {
        var size = PageHeader.SizeAt(Position, _segmentSize);
        var taken = Math.Min(bytes.Length, size - got);
        bytes[..taken].CopyTo(_pageHead.AsSpan(got));
        if (got + taken == size)
        {
            BeginPage(new(Position.Value - (ulong)got), _pageHead.AsSpan(0, size));
        }
        return taken;
    }

    void BeginPage(Lsn page, ReadOnlySpan<byte> bytes)
    {
        if (!bytes.ContainsAnyExcept((byte)0))
        {
            Stop(page, WalDefectKind.EndOfWal, "zeros instead of a page");
            return;
        }
        var header = PageHeader.Parse(bytes);
        if (IsOfThisStream(page, header))
        {
            ContinueRecord(page, header);
        }
    }

    bool IsOfThisStream(Lsn page, in PageHeader header)
    {
        // The version and the build.
        if (header.MajorVersion is not { } version)
        {
            return Stop(page, WalDefectKind.Page, $"page with the magic number {header.Magic:X4}, which no PostgreSQL from 13 to 18 writes,");
        }
        MajorVersion ??= version;
        if (version != MajorVersion)
        {
            return Stop(page, WalDefectKind.Page, $"page of PostgreSQL {version} after pages of PostgreSQL {MajorVersion}");
        }
        if (header.HasUnknownFlags || header.IsLong != (_segmentSize.OffsetOf(page) == 0))
        {
            return Stop(page, WalDefectKind.Page, $"page with wrong flags {header.Flags:X4}");
        }
        // The cluster.
        if (header.IsLong)
        {
            if (header.PageBytes != PageHeader.PageSize)
            {
                return Stop(page, WalDefectKind.Unsupported, $"WAL pages of {header.PageBytes} bytes, of which only {PageHeader.PageSize} are supported,");
            }
            SystemIdentifier ??= header.SystemIdentifier;
            if (header.SystemIdentifier != SystemIdentifier)
            {
                return Stop(page, WalDefectKind.WrongSystem, $"WAL of the system {header.SystemIdentifier} instead of {SystemIdentifier}");
            }
            if (header.SegmentBytes != _segmentSize.Bytes)
            {
                return Stop(page, WalDefectKind.WrongSystem, $"WAL in segments of {header.SegmentBytes} bytes instead of {_segmentSize.Bytes}");
            }
        }
        // The place.
        if (header.Address != page)
        {
            return Stop(page, WalDefectKind.Page, $"page that belongs at {header.Address}");
        }
        var timeline = page >= _timelineBegin ? _history.Timeline : _history.TimelineAt(page);
        return header.Timeline == timeline
            || Stop(page, WalDefectKind.WrongTimeline, $"page of timeline {header.Timeline} instead of {timeline}");
    }

    void ContinueRecord(Lsn page, in PageHeader header)
    {
        if (header.AbandonsContinuation)
        {
            // A crash left the record unfinished, and recovery went on from here in its stead.
            _recordGot = 0;
            _unseenRest = 0;
            return;
        }
        var remaining = _recordGot > 0 ? _recordLength - _recordGot : _unseenRest;
        if (page == Start && header.BeginsWithContinuation)
        {
            remaining = _unseenRest = header.RemainingLength;
        }
        if (header.BeginsWithContinuation != (remaining > 0))
        {
            Stop(page, WalDefectKind.Page, remaining > 0 ? "page without the rest of the record before it" : "page with the rest of a record that was not begun");
        }
        else if (remaining > 0 && header.RemainingLength != remaining)
        {
            Stop(page, WalDefectKind.Page, $"page with {header.RemainingLength} bytes of a record of which {remaining} are left");
        }
    }

    int TakeRecords<TVisitor>(ReadOnlySpan<byte> bytes, ref TVisitor visitor)
        where TVisitor : struct, IRecordVisitor, allows ref struct
    {
        var taken = 0;
        while (taken < bytes.Length && Defect is null && !_restOfSegmentUnused)
        {
            var rest = bytes[taken..];
            if (_padding > 0)
            {
                var padding = Math.Min(_padding, rest.Length);
                _padding -= padding;
                taken += padding;
            }
            else if (_unseenRest > 0)
            {
                taken += TakeUnseen(Position + taken, rest);
            }
            else if (_recordGot == 0 && rest.Length >= RecordHeader.Size
                && BinaryPrimitives.ReadUInt32LittleEndian(rest) is >= RecordHeader.Size and var length && length <= (uint)rest.Length)
            {
                taken += TakeWhole(Position + taken, rest[..(int)length], ref visitor);
            }
            else
            {
                taken += TakePart(Position + taken, rest, ref visitor);
            }
        }
        return taken;
    }

    int TakeUnseen(Lsn at, ReadOnlySpan<byte> bytes)
    {
        var taken = (int)Math.Min(_unseenRest, (uint)bytes.Length);
        _unseenRest -= (uint)taken;
        SkippedBytes += taken;
        if (_unseenRest == 0)
        {
            _padding = (int)((at + taken).AlignUp(Alignment) - (at + taken));
        }
        return taken;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    int TakeWhole<TVisitor>(Lsn at, ReadOnlySpan<byte> record, ref TVisitor visitor)
        where TVisitor : struct, IRecordVisitor, allows ref struct
    {
        _recordStart = at;
        _recordHeader = RecordHeader.Parse(record);
        if (IsLinked())
        {
            _crc = Crc32C.Of(record[RecordHeader.Size..]);
            EndRecord(at + record.Length, record, ref visitor);
        }
        return record.Length;
    }

    int TakePart<TVisitor>(Lsn at, ReadOnlySpan<byte> bytes, ref TVisitor visitor)
        where TVisitor : struct, IRecordVisitor, allows ref struct
    {
        if (_recordGot == 0)
        {
            _recordStart = at;
            _crc = 0;
        }
        // As far as the next thing that is learned: the length, the fixed header, the end.
        var goal = _recordGot < sizeof(uint) ? sizeof(uint) : _recordGot < RecordHeader.Size ? RecordHeader.Size : _recordLength;
        var taken = (int)Math.Min(goal - _recordGot, (uint)bytes.Length);
        var part = bytes[..taken];
        Keep(part);
        if (_recordGot >= RecordHeader.Size)
        {
            _crc = Crc32C.Append(_crc, part);
        }
        _recordGot += (uint)taken;

        if (goal == sizeof(uint) && _recordGot == goal)
        {
            _recordLength = BinaryPrimitives.ReadUInt32LittleEndian(_head);
            CheckLength();
        }
        else if (goal == RecordHeader.Size && _recordGot == goal)
        {
            _recordHeader = RecordHeader.Parse(_head);
            IsLinked();
        }
        if (Defect is null && _recordGot >= RecordHeader.Size && _recordGot == _recordLength)
        {
            EndRecord(at + taken, _head.AsSpan(0, (int)Math.Min(_recordLength, KeptLimit)), ref visitor);
        }
        return taken;
    }

    // The header is kept before the manager is known, and is shorter than either limit.
    int KeptLimit => _recordGot >= RecordHeader.Size && _recordHeader.Manager == ResourceManager.Transaction ? TransactionLimit : HeadLimit;

    // The room grows with what has come, not with what a length promises.
    void Keep(ReadOnlySpan<byte> part)
    {
        var got = (int)Math.Min(_recordGot, int.MaxValue);
        var kept = Math.Min(part.Length, KeptLimit - got);
        if (kept <= 0)
        {
            return;
        }
        if (got + kept > _head.Length)
        {
            Array.Resize(ref _head, (int)BitOperations.RoundUpToPowerOf2((uint)(got + kept)));
        }
        part[..kept].CopyTo(_head.AsSpan(got));
    }

    void CheckLength()
    {
        if (_recordLength == 0)
        {
            _recordGot = 0;
            Stop(_recordStart, WalDefectKind.EndOfWal, "zeros instead of a record");
        }
        else if (_recordLength is < RecordHeader.Size or > MaxRecordLength)
        {
            Stop(_recordStart, WalDefectKind.Record, $"record with the impossible length {_recordLength}");
        }
    }

    // Old content of a recycled segment may be valid in itself; the link tells it from what belongs here.
    bool IsLinked() =>
        (_previous is { } previous ? _recordHeader.Previous == previous : _recordHeader.Previous < _recordStart)
        || Stop(_recordStart, WalDefectKind.Record, $"record linked to {_recordHeader.Previous} instead of {_previous?.ToString() ?? "an earlier record"}");

    void EndRecord<TVisitor>(Lsn end, ReadOnlySpan<byte> head, ref TVisitor visitor)
        where TVisitor : struct, IRecordVisitor, allows ref struct
    {
        if (Crc32C.Append(_crc, head[..RecordHeader.CheckedSize]) != _recordHeader.Crc)
        {
            Stop(_recordStart, WalDefectKind.Record, $"record of {_recordHeader.Length} bytes with a wrong CRC");
            return;
        }
        _recordGot = 0;
        _previous = _recordStart;
        ValidEnd = end.AlignUp(Alignment);
        _padding = (int)(ValidEnd - end);
        if (_recordHeader.IsSwitch)
        {
            ValidEnd = ValidEnd.AlignUp(_segmentSize.Bytes);
            _padding = 0;
            _restOfSegmentUnused = _segmentSize.OffsetOf(end) != 0;
        }
        // A whole record at hand is shown as one put together would be.
        var shown = head.Length > HeadLimit && _recordHeader.Manager != ResourceManager.Transaction ? head[..HeadLimit] : head;
        visitor.Visit(new(_recordStart, ValidEnd, _recordHeader, MajorVersion ?? 0, shown));
    }

    bool Stop(Lsn position, WalDefectKind kind, string what)
    {
        Defect = new(position, kind, what);
        return false;
    }

    readonly struct Nobody : IRecordVisitor
    {
        public void Visit(in WalRecord record)
        {
        }
    }
}
