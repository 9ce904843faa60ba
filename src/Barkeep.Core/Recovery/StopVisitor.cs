using Barkeep.Wal;

namespace Barkeep.Recovery;

/// <summary>Shows a walk's records to a <see cref="StopFinder"/>.</summary>
readonly struct StopVisitor(StopFinder finder) : IRecordVisitor
{
    public void Visit(in WalRecord record) => finder.Look(record);
}
