using System.Buffers.Binary;
using System.Text;

namespace Barkeep.Wal;

/// <summary>A record that prepares a transaction, which from there on outlives its session and the server's stop (xact.h, xl_xact_prepare). It lives as long as the record.</summary>
public readonly ref struct TransactionPreparation
{
    const byte Prepare = 0x10;

    const int XidOffset = 8;
    const int CountOffset = 28;

    public uint Xid { get; private init; }

    /// <summary>Under which COMMIT PREPARED and ROLLBACK PREPARED know it.</summary>
    public string Name { get; private init; }

    /// <summary>The xids of its subtransactions, 4 bytes each.</summary>
    public ReadOnlySpan<byte> Subtransactions { get; private init; }

    public static bool IsOne(in RecordHeader header) => header.Manager == ResourceManager.Transaction && (header.Info & 0x70) == Prepare;

    /// <param name="record">One that <see cref="IsOne"/>.</param>
    /// <param name="data">The record's own data, as <see cref="BlockReferences"/> finds it.</param>
    /// <returns>False when it is not laid out as PostgreSQL does, or longer than what is kept of a record.</returns>
    public static bool TryRead(scoped in WalRecord record, ReadOnlySpan<byte> data, out TransactionPreparation preparation)
    {
        preparation = default;
        // Version 15 added two numbers. The name follows, then the subtransactions, each from a multiple of 8 on.
        var (size, nameLengthOffset) = record.MajorVersion < 15 ? (64, 46) : (72, 54);
        if (data.Length < size)
        {
            return false;
        }
        var count = BinaryPrimitives.ReadInt32LittleEndian(data[CountOffset..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(data[nameLengthOffset..]);
        var at = size + ((nameLength + 7) & ~7);
        if (count < 0 || nameLength == 0 || data.Length < at + (count * (long)sizeof(uint)))
        {
            return false;
        }
        preparation = new()
        {
            Xid = BinaryPrimitives.ReadUInt32LittleEndian(data[XidOffset..]),
            // Its length counts the zero at its end.
            Name = Encoding.UTF8.GetString(data.Slice(size, nameLength - 1)),
            Subtransactions = count == 0 ? default : data.Slice(at, count * sizeof(uint)),
        };
        return true;
    }
}
