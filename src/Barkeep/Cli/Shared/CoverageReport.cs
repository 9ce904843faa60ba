using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Received;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>Looks how far a server's backups can be rolled forward, and whether a new one is due for that.</summary>
static class CoverageReport
{
    public static async Task<WalCoverage> LookAsync(Session session, ServerName server, Lineage lineage, CancellationToken cancellationToken)
    {
        // In this order: what comes in between is then more than was told, not less.
        var isReceiving = DutyLock.IsHeld(session.Locations.ReceiverLock(server));
        var receiver = ReceiverState.LastOf(session.Locations, server, lineage.Identity);
        var backups = await lineage.Backups.ListAsync(cancellationToken);
        var received = await ReceivedWal.ListAsync(lineage.Wal, session.SpoolOf(server, lineage), cancellationToken);
        return await WalCoverage.OfAsync(await HurtPacks.ReadAsync(lineage, cancellationToken), received, backups, receiver, isReceiving, cancellationToken);
    }
}
