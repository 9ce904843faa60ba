using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Looks at what is in the midst of happening where recovery stops: replay has taken effect by then that no query shows to be unfinished.</summary>
static class UnfinishedAtStop
{
    /// <summary>Adds a word on each transaction that would surprise whoever looks at the restored server.</summary>
    /// <exception cref="BarkeepException">
    /// TargetUnreachable: a database is half dropped there, and there is a better position. Damaged, ObjectMissing, Storage: the WAL that must be looked at cannot be read.
    /// </exception>
    public static async Task CheckAsync(RestoreSource source, RestoreOptions options, WalSpool spool, List<string> warnings, CancellationToken cancellationToken)
    {
        if (source.Stop is not { } stop || options.Until is not { } target)
        {
            return;
        }
        var open = await OpenTransactionSearch.FindAsync(source.Lineage, spool, source.Route, stop.Reached, cancellationToken);
        foreach (var transaction in open.All.Where(static t => t.IsDroppingDatabase))
        {
            var database = transaction.DroppedDatabase == 0 ? "a database" : $"database {transaction.DroppedDatabase}";
            var what = $"transaction {transaction.Xid} is dropping {database} where recovery stops for {target}, at {stop.Reached}: nobody can connect to it there, and it is not gone";
            if (!open.HasBegunWithin(transaction.Xid) || transaction.Begin < source.Backup.Info!.EndLsn)
            {
                warnings.Add($"{what}; only a backup that was taken before the drop has it whole");
                continue;
            }
            throw new BarkeepException(
                ErrorKind.TargetUnreachable,
                what,
                $"--target-lsn {transaction.Begin} --exclusive stops just before the drop, with all that was committed by then; --target-xid {transaction.Xid} right after it");
        }
    }
}
