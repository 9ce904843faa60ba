using System.Runtime.CompilerServices;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Collects from a walk what its replay needs besides the WAL: places for tablespaces, and limits as high as the original's.</summary>
readonly struct ReplayNeeds() : IRecordVisitor
{
    readonly TablespaceCreations _tablespaces = new();
    readonly StrongBox<ServerLimits> _limits = new();

    public IReadOnlyList<TablespaceCreation> Tablespaces => _tablespaces.All;

    public ServerLimits Limits => _limits.Value;

    public void Visit(in WalRecord record)
    {
        _tablespaces.Visit(record);
        if (ServerLimits.TryRead(record) is { } limits)
        {
            _limits.Value = _limits.Value.OrMore(limits);
        }
    }
}
