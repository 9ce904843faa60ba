namespace Barkeep.Wal;

/// <summary>Sees each record that a <see cref="RecordWalker"/> has checked, in order. A struct, so that the walk inlines it.</summary>
public interface IRecordVisitor
{
    void Visit(in WalRecord record);
}
