using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>The block references of each record of a walk, in pg_waldump's words.</summary>
readonly struct SeenReferences() : IRecordVisitor
{
    public List<string> All { get; } = [];

    public void Visit(in WalRecord record)
    {
        var found = new List<string>();
        var references = new BlockReferences(record);
        while (references.MoveNext())
        {
            found.Add($"{references.Fork} blk {references.Block}");
        }
        All.Add(references.IsMalformed ? "malformed" : string.Join(", ", found));
    }
}
