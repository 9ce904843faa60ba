using System.Globalization;
using System.Text;
using Barkeep.Bench.Cases;

namespace Barkeep.Bench;

/// <summary>bench/RESULTS.md, made from all results that there are and from bench/notes.md.</summary>
static class Report
{
    const double MemoryLimit = 256;

    static readonly (string Title, string Format, Func<Sample, double> Figure)[] Columns =
    [
        ("wall s", "0.000", static s => s.Wall),
        ("client CPU-s", "0.00", static s => s.ClientCpu),
        ("server CPU-s", "0.00", static s => s.ServerCpu),
        ("peak MiB", "0", static s => s.Peak),
        ("stored MB", "0.0", static s => s.Stored),
        ("read MB", "0.0", static s => s.Read),
        ("changed MB", "0.0", static s => s.Changed),
        ("WAL MB", "0", static s => s.Wal),
    ];

    public static void Write(IReadOnlyList<string> cases)
    {
        var text = new StringBuilder();
        text.Append("# Benchmark results\n\nMade by `./dev bench`; do not edit. Each figure is the median of the rounds, each round lets every tool have a turn.\n\n");
        var sizes = Results.Sizes();
        AppendTargets(text, sizes, cases);
        text.Append(CultureInfo.InvariantCulture, $"\n{File.ReadAllText("bench/notes.md").Trim()}\n");
        foreach (var size in sizes)
        {
            AppendFigures(text, $"{size[..^2]} GB", size, cases);
        }
        AppendFigures(text, "Independent of the size", Results.AnySize, cases);
        File.WriteAllText("bench/RESULTS.md", text.ToString());
    }

    static void AppendTargets(StringBuilder text, IReadOnlyList<string> sizes, IReadOnlyList<string> cases)
    {
        text.Append(CultureInfo.InvariantCulture, $"## Targets\n\n| case | against | target | {string.Join(" | ", sizes.Select(static s => $"{s[..^2]} GB"))} |\n");
        text.Append(CultureInfo.InvariantCulture, $"|---|---|---|{string.Concat(sizes.Select(static _ => "---|"))}\n");
        foreach (var target in Target.All)
        {
            var figures = sizes.Select(size => (Results.TryLoad(size, target.Case) ?? Results.TryLoad(Results.AnySize, target.Case)) is { } results
                ? Verdict(target.Figure(results), target.Limit, target.Unit) : "-");
            text.Append(CultureInfo.InvariantCulture, $"| {target.What} | {target.Against} | {WithUnit($"≤ {Short(target.Limit)}", target.Unit)} | {string.Join(" | ", figures)} |\n");
        }
        var peaks = sizes.Select(size => Verdict(Peak(size, cases), MemoryLimit, "MiB"));
        text.Append(CultureInfo.InvariantCulture, $"| peak memory of any of our commands | | ≤ {MemoryLimit} MiB | {string.Join(" | ", peaks)} |\n");
        text.Append(CultureInfo.InvariantCulture, $"| the same, 100,000 files | | ≤ {MemoryLimit} MiB | {string.Join(" | ", sizes.Select(_ => Verdict(Peak(Results.AnySize, [CaseNames.ManyFiles]), MemoryLimit, "MiB")))} |\n");
    }

    static double Peak(string size, IReadOnlyList<string> cases) =>
        cases.Select(name => Results.TryLoad(size, name)).OfType<Results>()
            .SelectMany(static r => r.Tools.Where(static t => t.StartsWith(BarkeepTool.Name, StringComparison.Ordinal)).SelectMany(r.Of))
            .Select(static s => s.Peak).Where(static p => !double.IsNaN(p)).DefaultIfEmpty(double.NaN).Max();

    static string Verdict(double figure, double limit, string unit) => double.IsNaN(figure)
        ? "-"
        : figure <= limit ? $"{WithUnit(Short(figure), unit)}, reached" : $"**{WithUnit(Short(figure), unit)}, missed**";

    static string WithUnit(string number, string unit) => unit.Length == 0 ? number : $"{number} {unit}";

    static string Short(double number) => number.ToString(number < 10 ? "0.0##" : "0", CultureInfo.InvariantCulture);

    static void AppendFigures(StringBuilder text, string title, string size, IReadOnlyList<string> cases)
    {
        var measured = cases.Select(name => (Name: name, Results: Results.TryLoad(size, name))).Where(static c => c.Results is not null).ToList();
        if (measured.Count == 0)
        {
            return;
        }
        text.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n| case | tool | rounds | {string.Join(" | ", Columns.Select(static c => c.Title))} |\n");
        text.Append(CultureInfo.InvariantCulture, $"|---|---|---|{string.Concat(Columns.Select(static _ => "---|"))}\n");
        foreach (var (name, results) in measured)
        {
            foreach (var tool in results!.Tools)
            {
                var figures = Columns.Select(c => Text.Of(results.Median(tool, c.Figure), c.Format));
                text.Append(CultureInfo.InvariantCulture, $"| {name} | {tool} | {results.Of(tool).Count} | {string.Join(" | ", figures)} |\n");
            }
        }
        // Cases that were measured in different runs are listed apart.
        foreach (var run in measured.GroupBy(static c => string.Join("; ", c.Results!.Facts.Select(static f => $"{f.Name}: {f.Value}"))))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{string.Join(", ", run.Select(static c => c.Name))}: {run.Key}.\n");
        }
    }
}
