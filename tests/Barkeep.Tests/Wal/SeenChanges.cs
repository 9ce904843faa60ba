using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>What each record of a walk changes, by itself.</summary>
readonly struct SeenChanges() : IRecordVisitor
{
    public List<IReadOnlyList<string>> All { get; } = [];

    public void Visit(in WalRecord record)
    {
        var changes = new BlockChanges();
        new BlockChangeCollector(changes).Visit(record);
        All.Add(DumpedChanges.Of(changes).Lines);
    }
}
