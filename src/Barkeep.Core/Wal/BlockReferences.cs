using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Barkeep.Wal;

/// <summary>
/// Reads the blocks that a record's header refers to (xlogrecord.h). Every resource manager's records are laid out alike, extensions' too.
/// </summary>
public static class BlockReferences
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

    /// <summary>Shows each reference to the visitor.</summary>
    /// <param name="data">The record's own data: all, or as much as the walker keeps of a record. Empty when there is none.</param>
    /// <returns>False when the record is not laid out as PostgreSQL does: what was shown may not be all.</returns>
    /// <remarks>Every record of a walk comes through here: locals, since fields would be kept in memory.</remarks>
    public static bool TryRead<TVisitor>(scoped in WalRecord record, scoped ref TVisitor visitor, out ReadOnlySpan<byte> data)
        where TVisitor : struct, IBlockVisitor
    {
        var head = record.Head;
        long length = record.Header.Length;
        var at = RecordHeader.Size;
        // Headers come first, then what they announce, to the record's end.
        var following = 0L;
        var dataLength = 0U;
        var (tablespace, database, relation, hasRelation) = (0U, 0U, 0U, false);
        data = default;
        while (length - at > following)
        {
            var rest = (uint)at < (uint)head.Length ? head[at..] : default;
            // No header is shorter than this.
            if (rest.Length < 2)
            {
                return false;
            }
            if (rest[0] <= MaxBlockId)
            {
                var size = HeaderSize(rest, record.MajorVersion, out var announced);
                var isSame = (rest[1] & SameRelation) != 0;
                var end = size + (isSame ? 4 : 16);
                var number = (ForkNumber)(rest[1] & ForkMask);
                if (size == 0 || rest.Length < end || number > ForkNumber.Init || (isSame && !hasRelation))
                {
                    return false;
                }
                if (!isSame)
                {
                    (tablespace, database, relation, _) = RelationAt(rest[size..]);
                    hasRelation = true;
                }
                visitor.Visit(new(tablespace, database, relation, number), BinaryPrimitives.ReadUInt32LittleEndian(rest[(end - 4)..]));
                following += announced;
                at += end;
            }
            else if (rest[0] == ShortData)
            {
                dataLength = rest[1];
                following += dataLength;
                at += 2;
            }
            else if (!TryReadRare(rest, ref at, ref dataLength, ref following))
            {
                return false;
            }
        }
        if (length - at != following)
        {
            return false;
        }
        data = length - dataLength < head.Length ? head[(int)(length - dataLength)..] : default;
        return true;
    }

    /// <summary>Tablespace, database and number, 12 bytes, of a main fork.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static RelationFork RelationAt(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]),
        ForkNumber.Main);

    /// <summary>How long a reference's header is before relation and block, and how many bytes of data and image it announces.</summary>
    /// <returns>0 when it is cut off.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static int HeaderSize(ReadOnlySpan<byte> header, int version, out long announced)
    {
        announced = 0;
        if (header.Length < 4)
        {
            return 0;
        }
        announced = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]);
        if ((header[1] & HasImage) == 0)
        {
            return 4;
        }
        if (header.Length < 9)
        {
            return 0;
        }
        announced += BinaryPrimitives.ReadUInt16LittleEndian(header[4..]);
        var compressed = version < 15 ? CompressedBefore15 : CompressedSince15;
        return (header[8] & HasHole) != 0 && (header[8] & compressed) != 0 ? 11 : 9;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static bool TryReadRare(ReadOnlySpan<byte> header, ref int at, ref uint dataLength, ref long following)
    {
        switch (header[0])
        {
            case LongData when header.Length >= 5:
                dataLength = BinaryPrimitives.ReadUInt32LittleEndian(header[1..]);
                following += dataLength;
                at += 5;
                return true;
            case Origin:
                at += 3;
                return true;
            case TopLevelXid:
                at += 5;
                return true;
            default:
                return false;
        }
    }
}
