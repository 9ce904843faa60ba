using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>A checkpoint's record (pg_control.h, CheckPoint).</summary>
/// <param name="Position">Where the record begins.</param>
/// <param name="Redo">Where replay from it begins.</param>
/// <param name="Time">To the second.</param>
/// <param name="IsShutdown">The server stopped with it, or ended recovery; otherwise it ran on.</param>
/// <param name="NextXid">The first transaction id, with its epoch, that had not been given at <paramref name="Redo"/>.</param>
public readonly record struct CheckpointMoment(Lsn Position, Lsn Redo, TimestampTz Time, bool IsShutdown, ulong NextXid)
{
    const byte Shutdown = 0x00;
    const byte Online = 0x10;
    const int TimeOffset = 64;

    public static bool IsOne(in RecordHeader header) => header.Manager == ResourceManager.Xlog && header.Kind is Shutdown or Online;

    /// <summary>Reads the record: redo, timelines, full_page_writes (and since 17 wal_level), next xid, oids and multixacts, and the time, in seconds.</summary>
    /// <param name="data">The record's own data.</param>
    /// <returns>False when it is too short for one.</returns>
    public static bool TryRead(in WalRecord record, ReadOnlySpan<byte> data, out CheckpointMoment checkpoint)
    {
        checkpoint = default;
        if (!IsOne(record.Header) || data.Length < TimeOffset + sizeof(long))
        {
            return false;
        }
        var seconds = BinaryPrimitives.ReadInt64LittleEndian(data[TimeOffset..]);
        var time = TimestampTz.From(DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(seconds, 0, DateTimeOffset.MaxValue.ToUnixTimeSeconds())));
        checkpoint = new(
            record.Start, new(BinaryPrimitives.ReadUInt64LittleEndian(data)), time, record.Header.Kind == Shutdown, BinaryPrimitives.ReadUInt64LittleEndian(data[24..]));
        return true;
    }
}
