using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>The block references of each record of a walk, in pg_waldump's words.</summary>
readonly struct SeenReferences() : IRecordVisitor, IBlockVisitor
{
    readonly List<string> _found = [];

    public List<string> All { get; } = [];

    public void Visit(in WalRecord record)
    {
        _found.Clear();
        var visitor = this;
        All.Add(BlockReferences.TryRead(record, ref visitor, out _) ? string.Join(", ", _found) : "malformed");
    }

    public void Visit(in RelationFork fork, uint block) => _found.Add($"{fork} blk {block}");
}
