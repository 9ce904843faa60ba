using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>
/// Reads, one by one, the blocks that a record's header refers to (xlogrecord.h), and then finds the record's own data.
/// Every resource manager's records are laid out alike, extensions' too.
/// </summary>
public ref struct BlockReferences
{
    const byte MaxBlockId = 32;
    const byte ShortData = 255;
    const byte LongData = 254;
    const byte Origin = 253;
    const byte TopLevelXid = 252;

    const int ForkMask = 0x0F;
    const int HasImage = 0x10;
    const int SameRelation = 0x80;

    // Of an image: a hole, and compression. Version 15 gave the bits anew, one for each method.
    const int HasHole = 0x01;
    const int CompressedBefore15 = 0x02;
    const int CompressedSince15 = 0x04 | 0x08 | 0x10;

    readonly ReadOnlySpan<byte> _head;
    readonly long _length;
    readonly int _compressed;
    int _at = RecordHeader.Size;
    long _following;
    uint _dataLength;
    bool _hasRelation;

    public BlockReferences(in WalRecord record)
    {
        _head = record.Head;
        _length = record.Header.Length;
        _compressed = record.MajorVersion < 15 ? CompressedBefore15 : CompressedSince15;
    }

    /// <summary>The fork that the present reference is to.</summary>
    public RelationFork Fork { get; private set; }

    public uint Block { get; private set; }

    /// <summary>Whether the record is not laid out as PostgreSQL does: what was read so far may not be all.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>
    /// The record's own data, once all references are read: all, or as much as the walker keeps of a record. Empty when there is none.
    /// </summary>
    public readonly ReadOnlySpan<byte> Data => _length - _dataLength is var begin && begin < _head.Length ? _head[(int)begin..] : default;

    /// <summary>Goes to the next reference; false after the last.</summary>
    public bool MoveNext()
    {
        // Headers come first, then what they announce, to the record's end.
        while (_length - _at > _following)
        {
            // No header but a reference's is longer than this.
            if (_head.Length - _at < 2)
            {
                return Malformed();
            }
            var id = _head[_at];
            if (id <= MaxBlockId)
            {
                return ReadReference();
            }
            if (id == ShortData)
            {
                _dataLength = _head[_at + 1];
                _following += _dataLength;
                _at += 2;
            }
            else if (!ReadRareHeader(id))
            {
                return Malformed();
            }
        }
        return _length - _at != _following && Malformed();
    }

    bool ReadRareHeader(byte id)
    {
        switch (id)
        {
            case LongData when _head.Length - _at >= 5:
                _dataLength = BinaryPrimitives.ReadUInt32LittleEndian(_head[(_at + 1)..]);
                _following += _dataLength;
                _at += 5;
                return true;
            case Origin:
                _at += 3;
                return true;
            case TopLevelXid:
                _at += 5;
                return true;
            default:
                return false;
        }
    }

    bool ReadReference()
    {
        var rest = _head[_at..];
        if (rest.Length < 4)
        {
            return Malformed();
        }
        var flags = rest[1];
        _following += BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]);
        var size = 4;
        if ((flags & HasImage) != 0)
        {
            if (rest.Length < 9)
            {
                return Malformed();
            }
            _following += BinaryPrimitives.ReadUInt16LittleEndian(rest[4..]);
            size = (rest[8] & HasHole) != 0 && (rest[8] & _compressed) != 0 ? 11 : 9;
        }
        var sameRelation = (flags & SameRelation) != 0;
        var next = size + (sameRelation ? 4 : 16);
        var fork = (ForkNumber)(flags & ForkMask);
        if (rest.Length < next || fork > ForkNumber.Init || (sameRelation && !_hasRelation))
        {
            return Malformed();
        }
        if (sameRelation)
        {
            Fork = Fork with { Fork = fork };
        }
        else
        {
            var relation = rest[size..];
            Fork = new(
                BinaryPrimitives.ReadUInt32LittleEndian(relation),
                BinaryPrimitives.ReadUInt32LittleEndian(relation[4..]),
                BinaryPrimitives.ReadUInt32LittleEndian(relation[8..]),
                fork);
            _hasRelation = true;
        }
        Block = BinaryPrimitives.ReadUInt32LittleEndian(rest[(next - 4)..]);
        _at += next;
        return true;
    }

    bool Malformed()
    {
        IsMalformed = true;
        return false;
    }
}
