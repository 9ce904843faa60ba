using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>Looks at what is in the midst of happening where recovery stops: replay has taken effect by then that no query shows to be unfinished.</summary>
static class UnfinishedAtStop
{
    const int MaxNamed = 3;

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
        var open = await OpenTransactionSearch.FindAsync(new(source.Lineage, spool, source.Route), stop.Reached, static o => o.IsWhole, cancellationToken);
        CheckDatabases(open, source.Backup.Info!, target, warnings);
        TellLocks(open, source.Backup.Info!, options.Action is null or TargetAction.Pause, warnings);
    }

    static void CheckDatabases(OpenTransactions open, BackupInfo backup, RecoveryTarget target, List<string> warnings)
    {
        foreach (var transaction in open.All.Where(static t => t.IsDroppingDatabase))
        {
            var database = transaction.DroppedDatabase == 0 ? "a database" : $"database {transaction.DroppedDatabase}";
            var what = $"transaction {transaction.Xid} is dropping {database} where recovery stops for {target}, at {open.Until}: it is still listed there, and nobody can connect to it";
            if (Before(open, transaction, backup) is not { } before)
            {
                warnings.Add($"{what}; only a backup that was taken before the drop has it whole");
                continue;
            }
            throw new BarkeepException(
                ErrorKind.TargetUnreachable, what, $"{before} stops just before the drop, with all that was committed by then; --target-xid {transaction.Xid} right after it");
        }
    }

    static void TellLocks(OpenTransactions open, BackupInfo backup, bool pauses, List<string> warnings)
    {
        // Whatever ends recovery ends these transactions too, but for those that are prepared.
        foreach (var (transaction, locked) in open.Locked().Where(l => pauses || l.Transaction.PreparedAs is not null))
        {
            var named = string.Join(", ", locked.Take(MaxNamed).Select(static l => $"relation {l.Relation} of database {l.Database}"));
            var more = locked.Count > MaxNamed ? $" and {locked.Count - MaxNamed} more" : "";
            var before = Before(open, transaction, backup) is { } position ? $"; {position} stops before that transaction" : "";
            warnings.Add(transaction.WaysToEnd is { } ways
                ? $"transaction {transaction.Xid} is prepared where recovery stops, and holds {named}{more} locked: a SELECT from that waits, after recovery too, until {ways}, which a server takes that is open for writing{before}"
                : $"transaction {transaction.Xid} is in progress where recovery stops, and holds {named}{more} locked: while PostgreSQL pauses there, a SELECT from that waits, until SELECT pg_wal_replay_resume() opens it, or --target-action promote has it open by itself{before}");
        }
    }

    /// <summary>The options that stop before a transaction; null where it began before the backup was consistent, or further back than was looked.</summary>
    static string? Before(OpenTransactions open, OpenTransaction transaction, BackupInfo backup) =>
        open.HasBegunWithin(transaction.Xid) && transaction.Begin >= backup.EndLsn ? $"--target-lsn {transaction.Begin} --exclusive" : null;
}
