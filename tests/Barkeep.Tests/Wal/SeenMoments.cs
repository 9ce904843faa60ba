using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>What each record of a walk tells, by itself.</summary>
readonly struct SeenMoments() : IRecordVisitor
{
    public List<IReadOnlyList<string>> All { get; } = [];

    public void Visit(in WalRecord record)
    {
        var moments = new Moments();
        new MomentCollector(moments).Visit(record);
        All.Add(DumpedMoments.Of(moments));
    }
}
