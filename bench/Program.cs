using System.Globalization;
using Barkeep.Bench;
using Barkeep.Bench.Cases;

Case[] cases = [new FullBackup(), new Changes(), new EmptyRestore(), new DumpAndRestore(), new Receiving(), new Listing(), new ManyFiles(), new ManyIncrementals()];
string[] names = [.. cases.SelectMany(static c => c.Names)];

Options options;
try
{
    options = Options.Parse(args, names);
}
catch (ArgumentException e)
{
    Console.Error.WriteLine($"bench: {e.Message}");
    return 2;
}
if (options.WantsHelp)
{
    Console.WriteLine($"{Options.Help} {string.Join(", ", names)}");
    return 0;
}

if (!options.ReportOnly)
{
    Measure();
}
Report.Write(names);
return 0;

void Measure()
{
    // Where, with what.
    var machine = new Machine(Environment.GetEnvironmentVariable("BENCH_PEERS")!);
    var date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    var results = new Results
    {
        Facts = [("run", $"{date}, ./dev bench --size {options.Size} --rounds {options.Rounds}"), .. machine.Facts, .. machine.Versions],
    };
    var bench = new Bench(machine, options, results);

    // What does not depend on the size is measured with the small one only, unless it is asked for.
    var chosen = cases.Where(c => c.Names.Any(options.Includes) && (c.NeedsResearch || options.Size <= 2 || options.Cases.Count > 0)).ToList();
    Cluster? research = null;
    foreach (var chosenCase in chosen)
    {
        if (chosenCase.NeedsResearch && research is null)
        {
            research = new Cluster(machine, bench.DataSet.Research(options.Size));
            research.Start();
        }
        if (!chosenCase.NeedsResearch && research is not null)
        {
            research.Dispose();
            machine.Peers.Run($"rm -rf {research.Directory}");
            research = null;
        }
        chosenCase.Run(bench, research);
        foreach (var name in chosenCase.Names)
        {
            results.Save(chosenCase.NeedsResearch ? options.SizeName : Results.AnySize, name);
        }
        Report.Write(names);
    }
    research?.Dispose();
}
