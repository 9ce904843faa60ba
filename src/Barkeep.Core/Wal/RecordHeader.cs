using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>The fixed part at the start of each WAL record (xlogrecord.h, XLogRecord).</summary>
public readonly record struct RecordHeader(uint Length, uint Xid, Lsn Previous, byte Info, ResourceManager Manager, uint Crc)
{
    /// <summary>Its size in bytes.</summary>
    public const int Size = 24;

    /// <summary>How many bytes of it, from its start, the record's CRC covers (after the rest of the record).</summary>
    public const int CheckedSize = 20;

    /// <summary>Where <see cref="Info"/> is, from the record's start; <see cref="Manager"/> follows.</summary>
    public const int InfoOffset = 16;

    /// <summary>The bits of <see cref="Info"/> that tell the resource manager's kind of record.</summary>
    public byte Kind => (byte)(Info & 0xF0);

    /// <summary>Whether the rest of the segment after this record is unused (XLOG_SWITCH).</summary>
    public bool IsSwitch => Manager == ResourceManager.Xlog && Kind == 0x40;

    /// <summary>Whether a backup of a primary ended with this record (XLOG_BACKUP_END); its data is where that began.</summary>
    public bool IsBackupEnd => Manager == ResourceManager.Xlog && Kind == 0x50;

    /// <summary>Reads a header from at least <see cref="Size"/> bytes.</summary>
    public static RecordHeader Parse(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
        new(BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..])),
        bytes[16],
        (ResourceManager)bytes[17],
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]));
}
