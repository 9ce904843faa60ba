using System.Globalization;
using System.Text.RegularExpressions;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>What a line of pg_waldump tells that a person may want to go back to, as lines. Independent of the code under test: everything is read from text.</summary>
static partial class DumpedMoments
{
    /// <summary>Of a line of pg_waldump.</summary>
    public static IReadOnlyList<string> Of(string line)
    {
        if (Ending().Match(line) is { Success: true } end)
        {
            var xid = end.Groups["prepared"].Success ? end.Groups["prepared"].Value : end.Groups["tx"].Value;
            var isCommit = end.Groups["what"].Value.StartsWith("COMMIT", StringComparison.Ordinal);
            return [$"{(isCommit ? "commit" : "abort")} {xid} {TimeOf(end.Groups["time"].Value).Microseconds}", .. isCommit ? Dropped(line) : []];
        }
        if (Point().Match(line) is { Success: true } point)
        {
            return [$"point {point.Groups["name"].Value}"];
        }
        if (Checkpoint().Match(line) is { Success: true } checkpoint)
        {
            var (epoch, xid) = (ulong.Parse(checkpoint.Groups["epoch"].Value, CultureInfo.InvariantCulture), ulong.Parse(checkpoint.Groups["xid"].Value, CultureInfo.InvariantCulture));
            var (tli, previous) = (checkpoint.Groups["tli"].Value, checkpoint.Groups["prev"].Value);
            var isShutdown = checkpoint.Groups["kind"].Value == "SHUTDOWN";
            return [$"checkpoint {Lsn.Parse(checkpoint.Groups["redo"].Value)} {isShutdown} {(epoch << 32) | xid}", .. isShutdown && tli != previous ? [$"switch {previous} {tli}"] : Array.Empty<string>()];
        }
        if (EndOfRecovery().Match(line) is { Success: true } switched)
        {
            return [$"switch {switched.Groups["prev"].Value} {switched.Groups["tli"].Value}"];
        }
        if (Truncation().Match(line) is { Success: true } cut)
        {
            return (int.Parse(cut.Groups["flags"].Value, CultureInfo.InvariantCulture) & 1) == 0 ? [] : [$"cut off {RelationOf(cut.Groups["path"].Value)} {cut.Groups["n"].Value}"];
        }
        if (HeapTruncation().Match(line) is { Success: true } truncated)
        {
            return [.. Numbers(truncated.Groups["relations"].Value).Select(static r => $"truncate {r}")];
        }
        return DatabaseDrop().Match(line) is { Success: true } database
            ? [.. database.Groups["dirs"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static d => $"drop database {d}")]
            : [];
    }

    /// <summary>Of a record that was walked by itself.</summary>
    public static IReadOnlyList<string> Of(Moments moments)
    {
        var bounds = moments.Bounds;
        return
        [
            .. bounds.Aborts > 0 ? [$"abort {bounds.LeastXid} {bounds.LeastTime.Microseconds}"] : Array.Empty<string>(),
            .. moments.Commits.Select(static c => $"commit {c.Xid} {c.Time.Microseconds}"),
            .. moments.RestorePoints.Select(static p => $"point {p.Name}"),
            .. moments.Checkpoints.Select(static c => $"checkpoint {c.Redo} {c.IsShutdown} {c.NextXid}"),
            .. moments.Switches.Select(static s => $"switch {s.From} {s.To}"),
            .. moments.Losses.Select(Loss),
        ];
    }

    public static TimestampTz TimeOf(string text) => TimestampTz.From(DateTimeOffset.ParseExact(
        text.Replace(" UTC", "", StringComparison.Ordinal), "yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal));

    static string Loss(RelationLoss loss) => loss.Kind switch
    {
        LossKind.Dropped or LossKind.Replaced => $"drop {loss.Tablespace}/{loss.Database}/{loss.Relation}",
        LossKind.CutOff => $"cut off {loss.Tablespace}/{loss.Database}/{loss.Relation} {loss.Block}",
        LossKind.Truncated => $"truncate {loss.Relation}",
        _ => $"drop database {loss.Tablespace}/{loss.Database}",
    };

    static IEnumerable<string> Dropped(string line) =>
        Relations().Match(line) is { Success: true } dropped
            ? dropped.Groups["paths"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static p => $"drop {RelationOf(p)}").Distinct()
            : [];

    static string RelationOf(string path)
    {
        var match = RelationPath().Match(path);
        var (tablespace, database) = match.Groups["ts"].Success ? (match.Groups["ts"].Value, match.Groups["tsdb"].Value)
            : match.Groups["db"].Success ? ("1663", match.Groups["db"].Value) : ("1664", "0");
        return match.Success ? $"{tablespace}/{database}/{match.Groups["rel"].Value}" : throw new FormatException(path);
    }

    static IEnumerable<string> Numbers(string text) => Number().Matches(text).Select(static m => m.Value);

    [GeneratedRegex(@"^rmgr: Transaction .* tx: +(?<tx>\d+), .*desc: (?<what>COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED) (?:(?<prepared>\d+): )?(?<time>\d+-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC)")]
    private static partial Regex Ending();

    [GeneratedRegex(@"^rmgr: Transaction .* desc: COMMIT[^;]*;.*?\brels:(?<paths>[^;]*)")]
    private static partial Regex Relations();

    [GeneratedRegex(@"^rmgr: XLOG .* desc: RESTORE_POINT (?<name>.*)$")]
    private static partial Regex Point();

    [GeneratedRegex(@"^rmgr: XLOG .* desc: CHECKPOINT_(?<kind>SHUTDOWN|ONLINE) redo (?<redo>[0-9A-F/]+); tli (?<tli>\d+); prev tli (?<prev>\d+);.* xid (?<epoch>\d+):(?<xid>\d+);")]
    private static partial Regex Checkpoint();

    [GeneratedRegex(@"^rmgr: XLOG .* desc: END_OF_RECOVERY tli (?<tli>\d+); prev tli (?<prev>\d+);")]
    private static partial Regex EndOfRecovery();

    [GeneratedRegex(@"^rmgr: Storage .* desc: TRUNCATE (?<path>\S+) to (?<n>\d+) blocks flags (?<flags>\d+)")]
    private static partial Regex Truncation();

    [GeneratedRegex(@"^rmgr: Heap .* desc: TRUNCATE .*\brelids:? (?<relations>.*)$")]
    private static partial Regex HeapTruncation();

    [GeneratedRegex(@"^rmgr: Database .* desc: DROP dir(?<dirs>[ \d/]+)")]
    private static partial Regex DatabaseDrop();

    [GeneratedRegex(@"^(?:base/(?<db>\d+)|global|pg_tblspc/(?<ts>\d+)/PG_\w+/(?<tsdb>\d+))/(?<rel>\d+)(?:_(?<fork>\w+))?$")]
    private static partial Regex RelationPath();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();
}
