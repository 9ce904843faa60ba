using System.Globalization;
using System.Text.RegularExpressions;
using Barkeep.Wal;

namespace Barkeep.Tests.Wal;

/// <summary>
/// Block changes as plain sets of lines, made from what pg_waldump or pg_walsummary print, or from our own: what the three say of the same WAL can
/// be compared. Independent of the code under test: everything is read from text.
/// </summary>
sealed partial class DumpedChanges
{
    readonly SortedDictionary<string, (long Limit, SortedSet<long> Blocks)> _forks = new(StringComparer.Ordinal);
    readonly SortedSet<string> _databases = new(StringComparer.Ordinal);

    /// <summary>One line for each limit, each block below it, each whole database.</summary>
    public IReadOnlyList<string> Lines =>
    [
        .. _databases.Select(static d => $"database {d}"),
        .. _forks.SelectMany(static f => f.Value.Blocks.Where(b => b < f.Value.Limit).Select(b => $"{f.Key} block {b}")
            .Prepend(f.Value.Limit < long.MaxValue ? $"{f.Key} limit {f.Value.Limit}" : "").Where(static line => line.Length > 0)),
    ];

    /// <summary>Whether everything that counts as changed by the other does so by this one.</summary>
    public bool Covers(DumpedChanges other) =>
        other._databases.IsSubsetOf(_databases)
        && other._forks.All(f => f.Value.Limit >= Of(f.Key).Limit && f.Value.Blocks.All(b => b >= Of(f.Key).Limit || Of(f.Key).Blocks.Contains(b)));

    public static DumpedChanges OfDump(IEnumerable<string> lines)
    {
        var changes = new DumpedChanges();
        foreach (var line in lines)
        {
            foreach (var reference in References(line))
            {
                var blank = reference.LastIndexOf(" blk ", StringComparison.Ordinal);
                changes.Block(reference[..blank], long.Parse(reference.AsSpan(blank + 5), CultureInfo.InvariantCulture));
            }
            changes.Special(line);
        }
        return changes;
    }

    /// <summary>Of pg_walsummary --individual.</summary>
    public static DumpedChanges OfSummary(IEnumerable<string> lines)
    {
        var changes = new DumpedChanges();
        foreach (var line in lines)
        {
            var match = SummaryLine().Match(line);
            if (!match.Success)
            {
                throw new FormatException($"pg_walsummary: {line}");
            }
            var number = long.Parse(match.Groups["n"].Value, CultureInfo.InvariantCulture);
            var fork = Fork($"{match.Groups["ts"]}/{match.Groups["db"]}/{match.Groups["rel"]}", match.Groups["fork"].Value);
            if (match.Groups["rel"].Value == "0")
            {
                changes._databases.Add($"{match.Groups["ts"]}/{match.Groups["db"]}");
            }
            else if (match.Groups["what"].Value == "limit")
            {
                changes.Limit(fork, number);
            }
            else
            {
                changes.Block(fork, number);
            }
        }
        return changes;
    }

    public static DumpedChanges Of(BlockChanges ours)
    {
        var changes = new DumpedChanges();
        foreach (var (fork, blocks) in ours.Forks)
        {
            var name = fork.ToString();
            if (blocks.Limit != ForkChanges.NoLimit)
            {
                changes.Limit(name, blocks.Limit);
            }
            foreach (var block in blocks.Blocks())
            {
                changes.Block(name, block);
            }
        }
        foreach (var (tablespace, database) in ours.Databases)
        {
            changes._databases.Add($"{tablespace}/{database}");
        }
        return changes;
    }

    /// <summary>The block references of a line of pg_waldump, as <c>1663/5/16384 vm blk 0</c>.</summary>
    public static IEnumerable<string> References(string line) =>
        BlockReference().Matches(line).Select(static m => $"{Fork(m.Groups["rel"].Value, m.Groups["fork"].Value)} blk {m.Groups["blk"].Value}");

    void Special(string line)
    {
        if (Creation().Match(line) is { Success: true } created)
        {
            if (PathOf(created.Groups["path"].Value, out var fork))
            {
                Limit(fork, 0);
            }
        }
        else if (Truncation().Match(line) is { Success: true } truncated)
        {
            PathOf(truncated.Groups["path"].Value, out var fork);
            var flags = int.Parse(truncated.Groups["flags"].Value, CultureInfo.InvariantCulture);
            if ((flags & 1) != 0)
            {
                Limit(fork, long.Parse(truncated.Groups["n"].Value, CultureInfo.InvariantCulture));
            }
            if ((flags & 2) != 0)
            {
                Limit($"{fork} vm", 0);
            }
        }
        else if (Dropping().Match(line) is { Success: true } dropped)
        {
            foreach (var path in dropped.Groups["paths"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                PathOf(path, out var fork);
                Limit(fork, 0);
                Limit($"{fork} vm", 0);
                Limit($"{fork} init", 0);
            }
        }
        else if (Database().Match(line) is { Success: true } database)
        {
            _databases.UnionWith(database.Groups["dirs"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    static bool PathOf(string path, out string fork)
    {
        var match = RelationPath().Match(path);
        var (tablespace, database) = match.Groups["ts"].Success ? (match.Groups["ts"].Value, match.Groups["tsdb"].Value)
            : match.Groups["db"].Success ? ("1663", match.Groups["db"].Value) : ("1664", "0");
        fork = Fork($"{tablespace}/{database}/{match.Groups["rel"].Value}", match.Groups["fork"].Value);
        return match.Success ? true : throw new FormatException(path);
    }

    static string Fork(string relation, string fork) => fork is "" or "main" ? relation : $"{relation} {fork}";

    void Limit(string fork, long limit) => _forks[fork] = Of(fork) with { Limit = Math.Min(limit, Of(fork).Limit) };

    void Block(string fork, long block) => Of(fork).Blocks.Add(block);

    (long Limit, SortedSet<long> Blocks) Of(string fork)
    {
        if (!_forks.TryGetValue(fork, out var changes))
        {
            _forks[fork] = changes = (long.MaxValue, []);
        }
        return changes;
    }

    [GeneratedRegex(@"blkref #\d+: rel (?<rel>\d+/\d+/\d+)(?: fork (?<fork>\w+))? blk (?<blk>\d+)")]
    private static partial Regex BlockReference();

    [GeneratedRegex(@"^rmgr: Storage .* desc: CREATE (?<path>\S+)")]
    private static partial Regex Creation();

    [GeneratedRegex(@"^rmgr: Storage .* desc: TRUNCATE (?<path>\S+) to (?<n>\d+) blocks flags (?<flags>\d+)")]
    private static partial Regex Truncation();

    [GeneratedRegex(@"^rmgr: Transaction .* desc: (?:COMMIT|ABORT)[^;]*;.*?\brels:(?<paths>[^;]*)")]
    private static partial Regex Dropping();

    [GeneratedRegex(@"^rmgr: Database .* desc: (?:\w+ copy dir \S+ to|\w+ create dir|\w+ dir)(?<dirs>[ \d/]+)")]
    private static partial Regex Database();

    [GeneratedRegex(@"^(?:base/(?<db>\d+)|global|pg_tblspc/(?<ts>\d+)/PG_\w+/(?<tsdb>\d+))/(?<rel>\d+)(?:_(?<fork>\w+))?$")]
    private static partial Regex RelationPath();

    [GeneratedRegex(@"^TS (?<ts>\d+), DB (?<db>\d+), REL (?<rel>\d+), FORK (?<fork>\w+): (?<what>limit|block) (?<n>\d+)$")]
    private static partial Regex SummaryLine();
}
