using System.Buffers.Binary;

namespace Barkeep.Wal;

/// <summary>
/// What a server that is open while it replays must not have less of than the one that wrote the WAL (PostgreSQL manual, "Hot Standby", "Administrator's Overview").
/// </summary>
public readonly record struct ServerLimits(int Connections, int WorkerProcesses, int WalSenders, int PreparedTransactions, int LocksPerTransaction)
{
    const byte ParameterChange = 0x60;
    const int Size = 5 * sizeof(int);

    public static ServerLimits Of(ControlFile control) =>
        new(control.MaxConnections, control.MaxWorkerProcesses, control.MaxWalSenders, control.MaxPreparedTransactions, control.MaxLocksPerTransaction);

    /// <summary>Reads the record that a server writes when it starts with other limits than before (xlog_internal.h, xl_parameter_change); null when it is another one.</summary>
    public static ServerLimits? TryRead(in WalRecord record)
    {
        var nobody = default(NoBlocks);
        if (record.Header.Manager != ResourceManager.Xlog || record.Header.Kind != ParameterChange || !BlockReferences.TryRead(record, ref nobody, out var data) || data.Length < Size)
        {
            return null;
        }
        return new(At(data, 0), At(data, 1), At(data, 2), At(data, 3), At(data, 4));
    }

    /// <summary>The greater of each.</summary>
    public ServerLimits OrMore(ServerLimits other) => new(
        Math.Max(Connections, other.Connections),
        Math.Max(WorkerProcesses, other.WorkerProcesses),
        Math.Max(WalSenders, other.WalSenders),
        Math.Max(PreparedTransactions, other.PreparedTransactions),
        Math.Max(LocksPerTransaction, other.LocksPerTransaction));

    static int At(ReadOnlySpan<byte> data, int index) => BinaryPrimitives.ReadInt32LittleEndian(data[(index * sizeof(int))..]);
}
