namespace Barkeep.Bench;

/// <summary>One run: the machine, what was asked for, and where figures go.</summary>
sealed class Bench(Machine machine, Options options, Results results)
{
    public Machine Machine => machine;

    public Options Options => options;

    public DataSet DataSet { get; } = new(machine);

    /// <summary>Runs a round for warming up and the measured ones.</summary>
    /// <param name="round">Gets the round's number, from 0.</param>
    public void EachRound(Action<int> round)
    {
        for (var number = 0; number <= options.Rounds; number++)
        {
            round(number);
        }
    }

    /// <summary>Whether a round is one of those in which the slow peers take part, too.</summary>
    public bool IsSlowRound(int round) => round > options.Rounds - options.SlowRounds;

    /// <summary>Lets the tools have their turns, each round beginning with another one.</summary>
    public static void InTurn(int round, params IReadOnlyList<Action?> turns)
    {
        for (var i = 0; i < turns.Count; i++)
        {
            turns[(round + i) % turns.Count]?.Invoke();
        }
    }

    /// <summary>Notes a sample; the round that warms up does not count.</summary>
    public void Note(string name, int round, string tool, Sample sample)
    {
        Progress.Say($"{name}, round {round}, {tool}: {Text.Of(sample.Wall, "0.00")} s, {Text.Of(sample.Cpu, "0.00")} CPU-s, {Text.Of(sample.Stored, "0")} MB stored, {Text.Of(sample.Peak, "0")} MiB");
        if (round > 0)
        {
            results.Add(name, tool, round, sample);
        }
    }
}
