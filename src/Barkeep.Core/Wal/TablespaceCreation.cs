using System.Buffers.Binary;
using System.Text;

namespace Barkeep.Wal;

/// <summary>
/// A WAL record of CREATE TABLESPACE (tablespace.h, xl_tblspc_create_rec). Replayed as it stands it makes a directory at
/// <see cref="Path"/>, the place on the original host.
/// </summary>
public readonly record struct TablespaceCreation(Lsn Start, uint Oid, string Path)
{
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
        return new(record.Start, BinaryPrimitives.ReadUInt32LittleEndian(data), Encoding.UTF8.GetString(end < 0 ? path : path[..end]));
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
