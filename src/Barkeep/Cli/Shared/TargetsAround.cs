using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;
using Barkeep.Repo;
using Barkeep.Targets;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>What happened in a cluster around a time, and where a restore to that time would stop.</summary>
sealed class TargetsAround
{
    // A person looks at what is nearest; JSON has all.
    const int MaxCommitLines = 20;

    // To find where a transaction began takes a walk through WAL.
    const int MaxBegins = 16;

    const int MaxLockedNames = 3;

    readonly List<Found> _found = [];
    readonly List<string> _notes = [];
    readonly DateTimeOffset _time;
    readonly TimeSpan _distance;
    readonly TimeZoneInfo _zone;

    RelationCatalog? _catalog;

    TargetsAround(DateTimeOffset time, TimeSpan distance, TimeZoneInfo zone) => (_time, _distance, _zone) = (time, distance, zone);

    /// <summary>Looks into each window that reaches near the time.</summary>
    public static async Task<TargetsAround> ReadAsync(
        Lineage lineage, WalSpool spool, RecoveryWindows windows, ReceiverState? receiver, DateTimeOffset time, TimeSpan distance, TimeZoneInfo zone, CancellationToken cancellationToken)
    {
        var around = new TargetsAround(time, distance, zone);
        foreach (var window in windows.All)
        {
            var lookup = new MomentLookup(lineage, spool, window);
            var moments = await lookup.ListAsync(TimestampTz.From(time - distance), TimestampTz.From(time + distance), cancellationToken);
            // The last backup before the time costs recovery least.
            var backup = window.Backups.LastOrDefault(b => b.Info!.EndTime <= time) ?? window.Backups[0];
            var outcome = await TargetSearch.FindAsync(lineage, spool, window.Route, backup.Info!, RecoveryTarget.AtTime(time), cancellationToken);
            var (begins, open) = await around.ReadUnfinishedAsync(lookup, moments, outcome, cancellationToken);
            var isIdle = outcome is { Stop: null, IsBeforeBackup: false } && window.EndedBy is null && outcome.IsAllBefore(time, window.IdleUntil(receiver));
            around._found.Add(new(window, moments, begins, backup, outcome, isIdle, open));
        }
        await around.ReadNamesAsync(lineage, cancellationToken);
        return around;
    }

    // For this more WAL is walked, of which none that cannot be read matters to the rest.
    async Task<(IReadOnlyDictionary<Lsn, Lsn> Begins, OpenTransactions? Open)> ReadUnfinishedAsync(
        MomentLookup lookup, RecoveryMoments moments, TargetOutcome outcome, CancellationToken cancellationToken)
    {
        var begins = new Dictionary<Lsn, Lsn>();
        try
        {
            foreach (var loss in WorthABegin(moments))
            {
                if (await lookup.FindBeginAsync(loss, cancellationToken) is { } begin)
                {
                    begins[loss.Position] = begin;
                }
            }
            return (begins, outcome.Stop is { } stop ? await lookup.FindOpenAsync(stop.Reached, cancellationToken) : null);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            _notes.Add($"where transactions began, and what they hold locked, is not shown: {e.Message}");
            return (begins, null);
        }
    }

    // A database's drop has no other position to go back to; of the rest, what is nearest to the time.
    IEnumerable<RelationLoss> WorthABegin(RecoveryMoments moments)
    {
        var time = TimestampTz.From(_time);
        return moments.Losses.Where(static l => IsTold(l) && l.Kind is not (LossKind.CutOff or LossKind.DatabaseMoved))
            .DistinctBy(static l => l.Position)
            .OrderBy(static l => l.Kind != LossKind.DatabaseDropped)
            .ThenBy(l => Math.Abs((l.Time ?? time).Microseconds - time.Microseconds))
            .Take(MaxBegins);
    }

    // Names as they were in the last backup before: what a file is called does not matter to a restore, so a backup that cannot be read does not either.
    async Task ReadNamesAsync(Lineage lineage, CancellationToken cancellationToken)
    {
        var told = _found.Select(f => (f.Backup, Losses: f.Moments.Losses.Where(IsTold).ToList())).LastOrDefault(static f => f.Losses.Count > 0);
        if (told.Losses is null)
        {
            return;
        }
        try
        {
            _catalog = await RelationCatalog.ReadAsync(lineage, told.Backup.Id, told.Losses.Select(static l => l.Database), cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.HostilePath)
        {
            _notes.Add($"relations are shown without names: {e.Message}");
        }
    }

    public IEnumerable<string> Lines()
    {
        foreach (var found in _found)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"  Around {Text(TimestampTz.From(_time))}, {_distance.TotalMinutes:0} minute{(_distance.TotalMinutes == 1 ? "" : "s")} before and after, on timeline {found.Window.Timeline}");
            var moments = found.Moments;
            var events = Nearest(found).OrderBy(static e => e.Position).ThenBy(static e => e.Text, StringComparer.Ordinal).ToList();
            if (events.Count == 0)
            {
                yield return "    nothing was committed";
            }
            foreach (var (position, time, text) in events)
            {
                yield return $"    {(time is { } known ? Text(known) : "")}, {position}: {text}";
            }
            if (moments.Commits.Count < moments.CommitCount || moments.Commits.Count > 2 * MaxCommitLines)
            {
                yield return "    Not every commit is shown.";
            }
            if (moments.Losses.Any(static l => l.Kind is not LossKind.CutOff && IsTold(l)))
            {
                yield return "    To before a loss: --target-lsn with its position, and --exclusive. There its transaction holds locked what it drops, and while";
                yield return "    PostgreSQL pauses, a SELECT from that waits: add --target-action promote, or take the position at which it began.";
            }
            yield return $"    {Conclusion(found)}";
            foreach (var line in UnfinishedLines(found))
            {
                yield return $"    {line}";
            }
        }
        foreach (var note in _notes)
        {
            yield return $"  note: {note}";
        }
    }

    public JsonArray ToJson() => TargetsReport.ArrayOf(_found, f => new JsonObject
    {
        ["timeline"] = f.Window.Timeline.Value,
        ["commits"] = TargetsReport.ArrayOf(f.Moments.Commits, c => TargetsReport.CommitJson(c, _zone)),
        ["restore_points"] = TargetsReport.ArrayOf(f.Moments.RestorePoints, p => new JsonObject { ["name"] = p.Name, ["lsn"] = $"{p.Position}", ["time"] = Text(p.Time) }),
        ["checkpoints"] = TargetsReport.ArrayOf(f.Moments.Checkpoints, c => new JsonObject { ["lsn"] = $"{c.Position}", ["redo_lsn"] = $"{c.Redo}", ["time"] = Text(c.Time), ["is_shutdown"] = c.IsShutdown }),
        ["losses"] = TargetsReport.ArrayOf(f.Moments.Losses, l => LossJson(l, f)),
        ["target_time"] = OutcomeJson(f),
    });

    IEnumerable<(Lsn Position, TimestampTz? Time, string Text)> Nearest(Found found)
    {
        var moments = found.Moments;
        var time = TimestampTz.From(_time);
        var commits = moments.Commits.Where(c => c.Time <= time).TakeLast(MaxCommitLines).Concat(moments.Commits.Where(c => c.Time > time).Take(MaxCommitLines));
        return commits.Select(static c => (c.Position, (TimestampTz?)c.Time, $"commit of transaction {c.Xid}"))
            .Concat(moments.RestorePoints.Select(static p => (p.Position, (TimestampTz?)p.Time, $"restore point {TargetsReport.Printable(p.Name)}")))
            .Concat(moments.Switches.Select(static s => (s.Position, (TimestampTz?)s.Time, $"timeline {s.To} begins")))
            .Concat(moments.Losses.Where(IsTold).Where(l => !IsPartOfAnother(l, moments.Losses)).Select(l => (found.PositionBefore(l), l.Time, Describe(l) + Beginning(l, found))));
    }

    // Indexes and TOAST tables go with their table; which of several is whose need not be known.
    bool IsPartOfAnother(RelationLoss loss, IReadOnlyList<RelationLoss> all) =>
        NameOf(loss) is { Kind: 'i' or 't' } && all.Any(l => l.Position == loss.Position && NameOf(l) is { Kind: 'r' or 'm' });

    RelationName? NameOf(RelationLoss loss) => loss.Kind switch
    {
        LossKind.DatabaseDropped or LossKind.DatabaseMoved => null,
        LossKind.Truncated => _catalog?.FindRelation(loss.Database, loss.Relation),
        _ => _catalog?.FindFile(loss.Database, loss.Relation),
    };

    // VACUUM cuts off catalogs all the time.
    static bool IsTold(RelationLoss loss)
    {
        const uint FirstNormalObjectId = 16384;
        return loss.Kind != LossKind.CutOff || loss.Relation >= FirstNormalObjectId;
    }

    string Describe(RelationLoss loss)
    {
        var number = loss.Kind == LossKind.Truncated ? $"relation {loss.Relation} of database {loss.Database}" : $"file {loss.Tablespace}/{loss.Database}/{loss.Relation}";
        var what = NameOf(loss) is { } name ? $"{KindOf(name)} {TargetsReport.Printable(name.ToString())} ({number})" : number;
        var database = DatabaseText(loss.Database);
        var by = loss.Xid == 0 ? "" : $", transaction {loss.Xid}";
        return loss.Kind switch
        {
            LossKind.Dropped => $"{what} dropped{by}",
            LossKind.Replaced => $"{what} dropped or replaced, by DROP, TRUNCATE or a rewrite{by}",
            LossKind.CutOff => $"{what} cut off at block {loss.Block}{by}",
            LossKind.Truncated => $"{what} truncated{by}",
            LossKind.DatabaseMoved => $"{database} moved from tablespace {loss.Tablespace}{by}",
            _ => $"{database} dropped from tablespace {loss.Tablespace}{by}",
        };
    }

    string DatabaseText(uint number) => $"database {(_catalog?.FindDatabase(number) is { } known ? $"{TargetsReport.Printable(known)} ({number})" : $"{number}")}";

    static string Beginning(RelationLoss loss, Found found) => (loss.Kind, found.BeginOf(loss)) switch
    {
        (LossKind.DatabaseDropped, null) => ", whose files are gone before its commit: where it began is not known",
        (LossKind.DatabaseDropped, _) or (_, null) => "",
        (_, { } begin) => $", begun at {begin}",
    };

    static string KindOf(RelationName name) => name.Kind switch
    {
        'r' => "table",
        'i' => "index",
        't' => "TOAST table",
        'm' => "materialized view",
        'S' => "sequence",
        _ => "relation",
    };

    string Conclusion(Found found)
    {
        var outcome = found.Outcome;
        var last = outcome.LastCommit is { } commit ? $"up to transaction {commit.Xid}, committed at {Text(commit.Time)}," : "what its backup holds,";
        if (found.IsIdle)
        {
            return $"A restore to this time has everything {last} and ends with the WAL at {found.Window.To}: nothing is known to have happened after it (backup {found.Backup.Id})";
        }
        if (outcome.Stop is not { } stop)
        {
            return $"A restore to this time is not possible: {outcome.Obstacle}";
        }
        return $"A restore to this time has everything {last} and stops before transaction {stop.Xid} at {stop.Position}{(stop.Time is { } time ? $", {Text(time)}" : "")} (backup {found.Backup.Id})";
    }

    IEnumerable<string> UnfinishedLines(Found found)
    {
        foreach (var transaction in found.Unfinished.Where(static t => t.IsDroppingDatabase))
        {
            var database = transaction.DroppedDatabase == 0 ? "A database" : Capitalized(DatabaseText(transaction.DroppedDatabase));
            yield return $"{database} is half dropped there, by transaction {transaction.Xid}, and cannot be used: stop before that, at the position of the drop";
        }
        foreach (var (transaction, relations) in found.Open?.Locked() ?? [])
        {
            var named = string.Join(", ", relations.Take(MaxLockedNames).Select(LockedText));
            var more = relations.Count > MaxLockedNames ? $" and {relations.Count - MaxLockedNames} more" : "";
            yield return transaction.WaysToEnd is { } ways
                ? $"Transaction {transaction.Xid} is prepared there, and holds locked: {named}{more}. A SELECT from that waits until {ways}."
                : $"Transaction {transaction.Xid} is in progress there, and holds locked: {named}{more}. While PostgreSQL pauses, a SELECT from that waits.";
        }
    }

    string LockedText(LockedRelation locked) =>
        _catalog?.FindRelation(locked.Database, locked.Relation) is { } name ? $"{KindOf(name)} {TargetsReport.Printable(name.ToString())}" : $"relation {locked.Relation} of database {locked.Database}";

    static string Capitalized(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    JsonObject LossJson(RelationLoss loss, Found found) => new()
    {
        ["kind"] = loss.Kind switch
        {
            LossKind.Dropped => "dropped",
            LossKind.Replaced => "dropped_or_replaced",
            LossKind.CutOff => "cut_off",
            LossKind.Truncated => "truncated",
            LossKind.DatabaseMoved => "database_moved",
            _ => "database_dropped",
        },
        ["lsn"] = $"{found.PositionBefore(loss)}",
        ["begin_lsn"] = found.BeginOf(loss)?.ToString(),
        ["time"] = loss.Time is { } time ? Text(time) : null,
        ["xid"] = loss.Xid,
        ["tablespace"] = loss.Tablespace,
        ["database"] = loss.Database,
        ["relation"] = loss.Relation,
        ["name"] = loss.Kind is LossKind.DatabaseDropped or LossKind.DatabaseMoved ? _catalog?.FindDatabase(loss.Database) : NameOf(loss)?.ToString(),
        ["relation_kind"] = NameOf(loss)?.Kind.ToString(),
        ["block"] = loss.Kind == LossKind.CutOff ? loss.Block : null,
    };

    JsonObject OutcomeJson(Found found) => new()
    {
        ["is_reachable"] = found.Outcome.IsReached || found.IsIdle,
        ["backup_id"] = found.Backup.Id.ToString(),
        ["obstacle"] = found.IsIdle ? null : found.Outcome.Obstacle,
        ["last_commit"] = found.Outcome.LastCommit is { } last ? TargetsReport.CommitJson(last, _zone) : null,
        ["stop_lsn"] = found.Outcome.Stop is { } stop ? $"{stop.Position}" : null,
        ["stop_xid"] = found.Outcome.Stop?.Xid,
        ["locked"] = TargetsReport.ArrayOf(
            (found.Open?.Locked() ?? []).SelectMany(static l => l.Relations.Select(r => (l.Transaction, Relation: r))),
            l => new JsonObject { ["database"] = l.Relation.Database, ["relation"] = l.Relation.Relation, ["name"] = _catalog?.FindRelation(l.Relation.Database, l.Relation.Relation)?.ToString(), ["xid"] = l.Transaction.Xid }),
        ["half_dropped_databases"] = new JsonArray([.. found.Unfinished.Where(static t => t.IsDroppingDatabase).Select(static t => (JsonNode)t.DroppedDatabase)]),
    };

    string Text(TimestampTz time) => time.Print(_zone);

    /// <summary>What was found in one window.</summary>
    /// <param name="Begins">Of losses, by their positions, where their transactions began, as far as that was looked up and is known.</param>
    /// <param name="Outcome">Of a restore to the time, from the backup.</param>
    /// <param name="IsIdle">No record lets recovery stop at the time, but all that is known to have happened is before it.</param>
    /// <param name="Open">What had not ended where that stops; null when it does not.</param>
    sealed record Found(
        RecoveryWindow Window, RecoveryMoments Moments, IReadOnlyDictionary<Lsn, Lsn> Begins, BackupRecord Backup, TargetOutcome Outcome, bool IsIdle,
        OpenTransactions? Open)
    {
        public IEnumerable<OpenTransaction> Unfinished => Open?.All ?? [];

        public Lsn? BeginOf(RelationLoss loss) => Begins.TryGetValue(loss.Position, out var begin) ? begin : null;

        /// <summary>What to go back to: a database is unusable from where its drop began.</summary>
        public Lsn PositionBefore(RelationLoss loss) => loss.Kind == LossKind.DatabaseDropped ? BeginOf(loss) ?? loss.Position : loss.Position;
    }
}
