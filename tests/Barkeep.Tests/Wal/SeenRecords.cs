using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>Collects what a walk shows.</summary>
readonly struct SeenRecords() : IRecordVisitor
{
    public List<SeenRecord> All { get; } = [];

    public List<TablespaceCreation> Tablespaces { get; } = [];

    public void Visit(in WalRecord record)
    {
        All.Add(new(record.Start, record.End, record.Header, record.Head.Length, Crc32C.Of(record.Head)));
        if (TablespaceCreation.TryRead(record) is { } creation)
        {
            Tablespaces.Add(creation);
        }
    }
}
