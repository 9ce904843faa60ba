namespace Barkeep.Wal;

/// <summary>Sees each block that a record refers to, in order. A struct, so that reading inlines it.</summary>
public interface IBlockVisitor
{
    void Visit(in RelationFork fork, uint block);
}
