using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Repo;
using Barkeep.Targets;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>What happened in a cluster around a time, and where a restore to that time would stop.</summary>
sealed class TargetsAround
{
    // A person looks at what is nearest; JSON has all.
    const int MaxCommitLines = 20;

    readonly List<(RecoveryWindow Window, RecoveryMoments Moments, TargetOutcome Outcome, BackupRecord Backup)> _found = [];
    readonly List<string> _notes = [];
    readonly DateTimeOffset _time;
    readonly TimeSpan _distance;
    readonly TimeZoneInfo _zone;

    RelationCatalog? _catalog;

    TargetsAround(DateTimeOffset time, TimeSpan distance, TimeZoneInfo zone) => (_time, _distance, _zone) = (time, distance, zone);

    /// <summary>Looks into each window that reaches near the time.</summary>
    public static async Task<TargetsAround> ReadAsync(
        Lineage lineage, WalSpool spool, RecoveryWindows windows, DateTimeOffset time, TimeSpan distance, TimeZoneInfo zone, CancellationToken cancellationToken)
    {
        var around = new TargetsAround(time, distance, zone);
        foreach (var window in windows.All)
        {
            var moments = await new MomentLookup(lineage, spool, window).ListAsync(TimestampTz.From(time - distance), TimestampTz.From(time + distance), cancellationToken);
            // The last backup before the time costs recovery least.
            var backup = window.Backups.LastOrDefault(b => b.Info!.EndTime <= time) ?? window.Backups[0];
            var outcome = await TargetSearch.FindAsync(lineage, spool, window.Route, backup.Info!, RecoveryTarget.AtTime(time), cancellationToken);
            around._found.Add((window, moments, outcome, backup));
        }
        await around.ReadNamesAsync(lineage, cancellationToken);
        return around;
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
        foreach (var (window, moments, outcome, backup) in _found)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"  Around {Text(TimestampTz.From(_time))}, {_distance.TotalMinutes:0} minutes before and after, on timeline {window.Timeline}");
            var events = Nearest(moments).OrderBy(static e => e.Position).ThenBy(static e => e.Text, StringComparer.Ordinal).ToList();
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
            yield return $"    {Conclusion(outcome, backup)}";
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
        ["losses"] = TargetsReport.ArrayOf(f.Moments.Losses, LossJson),
        ["target_time"] = OutcomeJson(f.Outcome, f.Backup),
    });

    IEnumerable<(Lsn Position, TimestampTz? Time, string Text)> Nearest(RecoveryMoments moments)
    {
        var time = TimestampTz.From(_time);
        var commits = moments.Commits.Where(c => c.Time <= time).TakeLast(MaxCommitLines).Concat(moments.Commits.Where(c => c.Time > time).Take(MaxCommitLines));
        return commits.Select(static c => (c.Position, (TimestampTz?)c.Time, $"commit of transaction {c.Xid}"))
            .Concat(moments.RestorePoints.Select(static p => (p.Position, (TimestampTz?)p.Time, $"restore point {TargetsReport.Printable(p.Name)}")))
            .Concat(moments.Switches.Select(static s => (s.Position, (TimestampTz?)s.Time, $"timeline {s.To} begins")))
            .Concat(moments.Losses.Where(IsTold).Where(l => !IsPartOfAnother(l, moments.Losses)).Select(l => (l.Position, l.Time, Describe(l))));
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
        var database = $"database {(_catalog?.FindDatabase(loss.Database) is { } known ? $"{TargetsReport.Printable(known)} ({loss.Database})" : $"{loss.Database}")}";
        var by = loss.Xid == 0 ? "" : $", transaction {loss.Xid}";
        return loss.Kind switch
        {
            LossKind.Dropped => $"{what} dropped{by}",
            LossKind.Replaced => $"{what} replaced (TRUNCATE, or a rewrite){by}",
            LossKind.CutOff => $"{what} cut off at block {loss.Block}{by}",
            LossKind.Truncated => $"{what} truncated{by}",
            LossKind.DatabaseMoved => $"{database} moved from tablespace {loss.Tablespace}{by}",
            _ => $"{database} dropped from tablespace {loss.Tablespace}{by}",
        };
    }

    static string KindOf(RelationName name) => name.Kind switch
    {
        'r' => "table",
        'i' => "index",
        't' => "TOAST table",
        'm' => "materialized view",
        'S' => "sequence",
        _ => "relation",
    };

    string Conclusion(TargetOutcome outcome, BackupRecord backup)
    {
        if (outcome.Stop is not { } stop)
        {
            return $"A restore to this time is not possible: {outcome.Obstacle}";
        }
        var last = outcome.LastCommit is { } commit ? $"up to transaction {commit.Xid}, committed at {Text(commit.Time)}," : "what its backup holds,";
        return $"A restore to this time has everything {last} and stops before transaction {stop.Xid} at {stop.Position}{(stop.Time is { } time ? $", {Text(time)}" : "")} (backup {backup.Id})";
    }

    JsonObject LossJson(RelationLoss loss) => new()
    {
        ["kind"] = loss.Kind switch
        {
            LossKind.Dropped => "dropped",
            LossKind.Replaced => "replaced",
            LossKind.CutOff => "cut_off",
            LossKind.Truncated => "truncated",
            LossKind.DatabaseMoved => "database_moved",
            _ => "database_dropped",
        },
        ["lsn"] = $"{loss.Position}",
        ["time"] = loss.Time is { } time ? Text(time) : null,
        ["xid"] = loss.Xid,
        ["tablespace"] = loss.Tablespace,
        ["database"] = loss.Database,
        ["relation"] = loss.Relation,
        ["name"] = loss.Kind is LossKind.DatabaseDropped or LossKind.DatabaseMoved ? _catalog?.FindDatabase(loss.Database) : NameOf(loss)?.ToString(),
        ["relation_kind"] = NameOf(loss)?.Kind.ToString(),
        ["block"] = loss.Kind == LossKind.CutOff ? loss.Block : null,
    };

    JsonObject OutcomeJson(TargetOutcome outcome, BackupRecord backup) => new()
    {
        ["is_reachable"] = outcome.IsReached,
        ["backup_id"] = backup.Id.ToString(),
        ["obstacle"] = outcome.Obstacle,
        ["last_commit"] = outcome.LastCommit is { } last ? TargetsReport.CommitJson(last, _zone) : null,
        ["stop_lsn"] = outcome.Stop is { } stop ? $"{stop.Position}" : null,
        ["stop_xid"] = outcome.Stop?.Xid,
    };

    string Text(TimestampTz time) => time.Print(_zone);
}
