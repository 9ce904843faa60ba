using System.Buffers.Binary;
using System.Text;
using Barkeep.Common;

namespace Barkeep.Wal;

/// <summary>
/// A WAL record of CREATE TABLESPACE (tablespace.h, xl_tblspc_create_rec). Replayed as it stands it works in the directory at
/// <see cref="Path"/>, the place on the original host, and links to it.
/// </summary>
public readonly record struct TablespaceCreation(Lsn Start, RecordHeader Header, uint Oid, string Path)
{
    const byte NoOperation = 0x20;

    // What precedes a record's data (xlogrecord.h): the ids of headers, all others being block references.
    const byte ShortData = 255;
    const byte LongData = 254;
    const byte Origin = 253;
    const byte TopLevelXid = 252;

    /// <summary>Reads the record if it is one; null when it is another, or not laid out as PostgreSQL does.</summary>
    public static TablespaceCreation? TryRead(in WalRecord record)
    {
        if (record.Header.Manager != ResourceManager.Tablespace || record.Header.Kind != 0x00)
        {
            return null;
        }
        var data = DataOf(record.Head[RecordHeader.Size..]);
        if (data.Length <= sizeof(uint))
        {
            return null;
        }
        var path = data[sizeof(uint)..];
        var end = path.IndexOf((byte)0);
        return new(record.Start, record.Header, BinaryPrimitives.ReadUInt32LittleEndian(data), Encoding.UTF8.GetString(end < 0 ? path : path[..end]));
    }

    /// <summary>
    /// What to change in a copy of the WAL so that replay passes over the record: it becomes an XLOG_NOOP (pg_control.h) of
    /// the same length with a matching CRC. The link in pg_tblspc, and what it links to, must then be there before replay.
    /// </summary>
    public IEnumerable<WalPatch> Disarm(SegmentSize segmentSize)
    {
        var info = (byte)(NoOperation | (Header.Info & 0x0F));
        var manager = (byte)ResourceManager.Xlog;
        // The last four bytes under the CRC: the two that change, and two of padding.
        var crc = Header.Crc ^ Crc32C.Difference([(byte)(Header.Info ^ info), (byte)((byte)Header.Manager ^ manager), 0, 0]);
        var at = this;
        return new (int Offset, byte Value)[]
        {
            (RecordHeader.InfoOffset, info), (RecordHeader.InfoOffset + 1, manager),
            (RecordHeader.CheckedSize, (byte)crc), (RecordHeader.CheckedSize + 1, (byte)(crc >> 8)),
            (RecordHeader.CheckedSize + 2, (byte)(crc >> 16)), (RecordHeader.CheckedSize + 3, (byte)(crc >> 24)),
        }.Select(byteAt => new WalPatch(PageHeader.Advance(at.Start, byteAt.Offset, segmentSize), byteAt.Value));
    }

    static ReadOnlySpan<byte> DataOf(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 5)
        {
            switch (bytes[0])
            {
                case ShortData:
                    return bytes[2..];
                case LongData:
                    return bytes[5..];
                case Origin:
                    bytes = bytes[3..];
                    break;
                case TopLevelXid:
                    bytes = bytes[5..];
                    break;
                default:
                    return default;
            }
        }
        return default;
    }
}
