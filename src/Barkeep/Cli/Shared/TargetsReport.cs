using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Targets;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>To what one cluster can be restored, for people and as JSON.</summary>
/// <param name="receiver">What the cluster's receiver last said; null when it has said nothing.</param>
sealed class TargetsReport(Lineage lineage, WalSpool spool, ReceivedWal received, RecoveryWindows windows, ReceiverState? receiver, bool isCurrent, TimeZoneInfo zone)
{
    readonly List<(TimelineId Timeline, RestorePoint Point)> _points = [];
    readonly List<(TimelineId Timeline, TimelineSwitch Switch)> _switches = [];
    readonly List<string> _notes = [.. windows.Notes];
    TargetsAround? _around;

    /// <summary>Looks up restore points and timeline switches of all windows.</summary>
    public async Task AddPointsAsync(CancellationToken cancellationToken)
    {
        foreach (var window in windows.All)
        {
            var found = await new MomentLookup(lineage, spool, window).ListPointsAsync(cancellationToken);
            var history = window.Route.History;
            _points.AddRange(found.RestorePoints.Select(p => (history.TimelineAt(p.Position), p)));
            _switches.AddRange(found.Switches.Select(s => (history.TimelineAt(s.Position), s)));
            if (found.UnreadSegments > 0)
            {
                _notes.Add($"{found.UnreadSegments} WAL segments were received by an earlier version, which did not note what passed: restore points in them are not shown, but can be restored to");
            }
        }
    }

    /// <summary>Looks up what happened around a time.</summary>
    public async Task AddAroundAsync(DateTimeOffset time, TimeSpan distance, CancellationToken cancellationToken) =>
        _around = await TargetsAround.ReadAsync(lineage, spool, windows, receiver, time, distance, zone, cancellationToken);

    public IEnumerable<string> Lines(ServerName server)
    {
        yield return $"{(isCurrent ? "Server" : "Earlier cluster of server")} {server}: PostgreSQL {lineage.Identity.MajorVersion}, system identifier {lineage.Identity.SystemId}";
        foreach (var line in WindowLines().Concat(PointLines()))
        {
            yield return line;
        }
        foreach (var note in _notes.Distinct())
        {
            yield return $"  note: {note}";
        }
        foreach (var line in _around?.Lines() ?? [])
        {
            yield return line;
        }
    }

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["system_id"] = lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture),
            ["major_version"] = lineage.Identity.MajorVersion,
            ["is_current"] = isCurrent,
            ["windows"] = ArrayOf(windows.All, WindowJson),
            ["restore_points"] = ArrayOf(Points(), p => new JsonObject { ["name"] = p.Point.Name, ["lsn"] = $"{p.Point.Position}", ["time"] = Text(p.Point.Time), ["timeline"] = p.Timeline.Value }),
            ["timelines"] = ArrayOf(received.Histories.Values.Where(static h => h.Ancestors.Count > 0).OrderBy(static h => h.Timeline), TimelineJson),
            ["notes"] = new JsonArray([.. _notes.Distinct().Select(static n => (JsonNode)n)]),
        };
        if (_around is not null)
        {
            json["around"] = _around.ToJson();
        }
        return json;
    }

    internal static JsonArray ArrayOf<T>(IEnumerable<T> items, Func<T, JsonObject> convert) => new([.. items.Select(i => (JsonNode)convert(i))]);

    IEnumerable<string> WindowLines()
    {
        if (windows.All.Count == 0)
        {
            yield return "  nothing can be restored: there is no whole backup with all of its WAL";
        }
        foreach (var timeline in windows.All.GroupBy(static w => w.Timeline).OrderByDescending(static g => g.Key))
        {
            yield return $"  Timeline {timeline.Key}{Beginning(timeline.Key)}";
            RecoveryWindow? before = null;
            foreach (var window in timeline)
            {
                if (before is not null)
                {
                    yield return $"    GAP   from {Text(TimeOfEnd(before))} to {Text(TimestampTz.From(window.FromTime))}: {before.EndedBy ?? "no WAL leads across it"}";
                }
                var more = window.Backups.Count - 1;
                yield return $"    from  {Text(TimestampTz.From(window.FromTime))}, {window.From}, backup {window.Backups[0].Id}{(more == 0 ? "" : more == 1 ? " and a later one" : string.Create(CultureInfo.InvariantCulture, $" and {more} later ones"))}";
                yield return window.LastCommit is { } last && last.Position >= window.From
                    ? $"    to    {Text(last.Time)}, {window.To}, last commit: transaction {last.Xid} at {last.Position}"
                    : $"    to    {window.To}, nothing was committed since the backup";
                before = window;
            }
            if (before?.IdleUntil(receiver) is { } idle)
            {
                yield return $"    then  nothing, until {Text(TimestampTz.From(idle))} at least";
            }
            if (before?.EndedBy is { } reason)
            {
                yield return $"    GAP   from {Text(TimeOfEnd(before))} on: {reason}";
            }
        }
    }

    IEnumerable<string> PointLines()
    {
        var points = Points().ToList();
        if (points.Count > 0)
        {
            yield return "  Restore points";
            foreach (var (timeline, point) in points)
            {
                yield return $"    {Text(point.Time)}, {point.Position}, timeline {timeline}: {Printable(point.Name)}";
            }
        }
    }

    IEnumerable<(TimelineId Timeline, RestorePoint Point)> Points() => _points.Distinct().OrderBy(static p => p.Point.Position).ThenBy(static p => p.Timeline);

    string Beginning(TimelineId timeline)
    {
        if (!received.Histories.TryGetValue(timeline, out var history) || history.Ancestors.Count == 0)
        {
            return "";
        }
        var time = _switches.Where(s => s.Switch.To == timeline).Select(static s => (TimestampTz?)s.Switch.Time).FirstOrDefault();
        return $", which left timeline {history.Ancestors[^1].Timeline} at {history.Ancestors[^1].End}{(time is { } at ? $", {Text(at)}" : "")}";
    }

    // A name as it is, but for what would move a terminal's cursor.
    internal static string Printable(string name) => string.Concat(name.Select(static c => char.IsControl(c) ? '?' : c));

    static TimestampTz TimeOfEnd(RecoveryWindow window) => window.LastCommit?.Time ?? TimestampTz.From(window.FromTime);

    JsonObject WindowJson(RecoveryWindow window) => new()
    {
        ["timeline"] = window.Timeline.Value,
        ["from_lsn"] = $"{window.From}",
        ["from_time"] = Text(TimestampTz.From(window.FromTime)),
        ["to_lsn"] = $"{window.To}",
        ["last_commit"] = window.LastCommit is { } last ? CommitJson(last, zone) : null,
        ["backups"] = new JsonArray([.. window.Backups.Select(static b => (JsonNode)b.Id.ToString())]),
        ["idle_until"] = window.IdleUntil(receiver) is { } idle ? Text(TimestampTz.From(idle)) : null,
        ["ended_by"] = window.EndedBy,
    };

    JsonObject TimelineJson(TimelineHistory history) => new()
    {
        ["timeline"] = history.Timeline.Value,
        ["parent"] = history.Ancestors[^1].Timeline.Value,
        ["switch_lsn"] = $"{history.Ancestors[^1].End}",
    };

    internal static JsonObject CommitJson(CommitMoment commit, TimeZoneInfo zone) => new()
    {
        ["lsn"] = $"{commit.Position}",
        ["end_lsn"] = $"{commit.End}",
        ["time"] = commit.Time.Print(zone),
        ["xid"] = commit.Xid,
    };

    string Text(TimestampTz time) => time.Print(zone);
}
