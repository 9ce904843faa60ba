using System.CommandLine;

namespace Barkeep.Cli.Shared;

/// <summary>Options of Barman's that a runbook may give and that mean nothing here: taken, and said to mean nothing.</summary>
sealed class IgnoredOptions
{
    readonly List<Option> _options = [];

    /// <param name="names">A name ending in <c>!</c> takes no value.</param>
    public IgnoredOptions(params IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            _options.Add(name.EndsWith('!')
                ? new Option<bool>(name[..^1]) { Hidden = true }
                : new Option<string>(name) { Hidden = true });
        }
    }

    public void AddTo(Command command) => _options.ForEach(command.Add);

    public void Warn(Session session, ParseResult parse)
    {
        var given = Given(parse).ToList();
        if (given.Count > 0)
        {
            session.Output.Warning($"{string.Join(", ", given)} {(given.Count == 1 ? "means nothing here and changes" : "mean nothing here and change")} nothing");
        }
    }

    /// <summary>Those that were given.</summary>
    public IEnumerable<string> Given(ParseResult parse) => _options.Where(o => parse.GetResult(o) is { Implicit: false }).Select(static o => o.Name);
}
