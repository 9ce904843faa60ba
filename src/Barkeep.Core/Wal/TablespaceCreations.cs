namespace Barkeep.Wal;

/// <summary>Collects the CREATE TABLESPACE records of a walk, in order.</summary>
public readonly struct TablespaceCreations() : IRecordVisitor
{
    public List<TablespaceCreation> All { get; } = [];

    public void Visit(in WalRecord record)
    {
        if (TablespaceCreation.TryRead(record) is { } creation)
        {
            All.Add(creation);
        }
    }
}
