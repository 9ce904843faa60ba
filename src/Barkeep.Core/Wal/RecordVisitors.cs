namespace Barkeep.Wal;

/// <summary>Two visitors for one walk.</summary>
public struct RecordVisitors<TFirst, TSecond>(TFirst first, TSecond second) : IRecordVisitor
    where TFirst : struct, IRecordVisitor
    where TSecond : struct, IRecordVisitor
{
    TFirst _first = first;
    TSecond _second = second;

    public void Visit(in WalRecord record)
    {
        _first.Visit(record);
        _second.Visit(record);
    }
}
