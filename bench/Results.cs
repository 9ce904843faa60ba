using System.Globalization;

namespace Barkeep.Bench;

/// <summary>
/// All samples of one case at one size, kept in a file of tab-separated values below bench/results, so that measuring one
/// case again leaves the others as they are.
/// </summary>
sealed class Results
{
    const string Root = "bench/results";

    /// <summary>Where figures are that do not depend on the size.</summary>
    public const string AnySize = "any";

    static readonly (string Name, Func<Sample, double> Get, Func<Sample, double, Sample> Set)[] Columns =
    [
        ("wall_s", static s => s.Wall, static (s, v) => s with { Wall = v }),
        ("client_cpu_s", static s => s.ClientCpu, static (s, v) => s with { ClientCpu = v }),
        ("server_cpu_s", static s => s.ServerCpu, static (s, v) => s with { ServerCpu = v }),
        ("peak_mib", static s => s.Peak, static (s, v) => s with { Peak = v }),
        ("stored_mb", static s => s.Stored, static (s, v) => s with { Stored = v }),
        ("read_mb", static s => s.Read, static (s, v) => s with { Read = v }),
        ("changed_mb", static s => s.Changed, static (s, v) => s with { Changed = v }),
        ("wal_mb", static s => s.Wal, static (s, v) => s with { Wal = v }),
    ];

    readonly List<(string Case, string Tool, int Round, Sample Sample)> _samples = [];

    /// <summary>What the run was: when, with which command, on what machine, with which tools.</summary>
    public IReadOnlyList<(string Name, string Value)> Facts { get; init; } = [];

    public IEnumerable<string> Tools => _samples.Select(static s => s.Tool).Distinct();

    public void Add(string name, string tool, int round, Sample sample) => _samples.Add((name, tool, round, sample));

    /// <summary>The median over the rounds; NaN where nothing was measured.</summary>
    public double Median(string tool, Func<Sample, double> figure)
    {
        var figures = Of(tool).Select(figure).Where(static f => !double.IsNaN(f)).Order().ToList();
        return figures.Count == 0 ? double.NaN : (figures[(figures.Count - 1) / 2] + figures[figures.Count / 2]) / 2;
    }

    public IReadOnlyList<Sample> Of(string tool) => [.. _samples.Where(s => s.Tool == tool).Select(static s => s.Sample)];

    /// <summary>Writes the samples of a case.</summary>
    public void Save(string size, string name)
    {
        Directory.CreateDirectory($"{Root}/{size}");
        IEnumerable<string> lines =
        [
            .. Facts.Select(static f => $"# {f.Name}: {f.Value}"),
            string.Join('\t', ["tool", "round", .. Columns.Select(static c => c.Name)]),
            .. _samples.Where(s => s.Case == name).Select(static s =>
                string.Join('\t', [s.Tool, s.Round.ToString(CultureInfo.InvariantCulture), .. Columns.Select(c => Text.Of(c.Get(s.Sample), "0.###"))])),
        ];
        File.WriteAllLines($"{Root}/{size}/{name}.tsv", lines);
    }

    /// <summary>Reads the samples of a case; null when it was not measured.</summary>
    public static Results? TryLoad(string size, string name)
    {
        var path = $"{Root}/{size}/{name}.tsv";
        if (!File.Exists(path))
        {
            return null;
        }
        var lines = File.ReadAllLines(path);
        var results = new Results
        {
            Facts = [.. lines.Where(static l => l.StartsWith('#')).Select(static l => l[2..].Split(": ", 2)).Select(static f => (f[0], f[1]))],
        };
        foreach (var fields in lines.Where(static l => !l.StartsWith('#')).Skip(1).Select(static l => l.Split('\t')))
        {
            var sample = Columns.Index().Aggregate(new Sample(), (s, c) => fields[c.Index + 2] == "-" ? s : c.Item.Set(s, Text.Number(fields[c.Index + 2])));
            results.Add(name, fields[0], int.Parse(fields[1], CultureInfo.InvariantCulture), sample);
        }
        return results;
    }

    /// <summary>The sizes that were measured, the smallest first.</summary>
    public static IReadOnlyList<string> Sizes() => !Directory.Exists(Root)
        ? []
        : [.. Directory.GetDirectories(Root).Select(static d => Path.GetFileName(d)).Where(static s => s != AnySize)
            .OrderBy(static s => int.Parse(s[..^2], CultureInfo.InvariantCulture))];
}
