namespace Barkeep.Wal;

/// <summary>Lets block references pass: for those who want only a record's data.</summary>
readonly struct NoBlocks : IBlockVisitor
{
    public void Visit(in RelationFork fork, uint block)
    {
    }
}
