using System.Globalization;

namespace Barkeep.Bench;

/// <summary>The command line.</summary>
sealed record Options
{
    public const string Help = """
        ./dev bench [--size GB] [--rounds N] [--case NAME]... [--report] [--help]

        Measures Barkeep beside its peers, in turn: the same data, the same machine, the same run.

        --size GB    of the data set; 2 by default. 10 takes about 25 minutes, 2 about 20; the first time a data set is made and kept.
        --rounds N   measured rounds after one that warms up; 5 by default. The peers that take longest have fewer at 10 GB.
        --case NAME  only this one; may be repeated. Others keep the figures that they have.
        --report     only write bench/RESULTS.md anew, from bench/results and bench/notes.md

        cases:
        """;

    public int Size { get; private init; } = 2;

    public int Rounds { get; private init; } = 5;

    public IReadOnlyList<string> Cases { get; private init; } = [];

    public bool ReportOnly { get; private init; }

    public bool WantsHelp { get; private init; }

    /// <summary>Where the results of this size are, and what the report calls it.</summary>
    public string SizeName => $"{Size}gb";

    /// <summary>Fewer rounds for what takes minutes: two (one warms up) on the large data set, at most three otherwise.</summary>
    public int SlowRounds => Math.Min(Rounds, Size > 2 ? 1 : 3);

    public bool Includes(string name) => Cases.Count == 0 || Cases.Contains(name);

    /// <exception cref="ArgumentException">The command line cannot be understood.</exception>
    public static Options Parse(string[] arguments, IReadOnlyCollection<string> cases)
    {
        var options = new Options();
        for (var i = 0; i < arguments.Length; i++)
        {
            options = arguments[i] switch
            {
                "--size" => options with { Size = Number(arguments, ++i) },
                "--rounds" => options with { Rounds = Number(arguments, ++i) },
                "--case" when ++i < arguments.Length && cases.Contains(arguments[i]) => options with { Cases = [.. options.Cases, arguments[i]] },
                "--report" => options with { ReportOnly = true },
                "--help" => options with { WantsHelp = true },
                _ => throw new ArgumentException($"cannot understand '{arguments[Math.Min(i, arguments.Length - 1)]}'"),
            };
        }
        return options;
    }

    static int Number(string[] arguments, int index) =>
        index < arguments.Length && int.TryParse(arguments[index], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException("a number is missing");
}
