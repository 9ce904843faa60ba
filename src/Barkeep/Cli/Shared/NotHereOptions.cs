using System.CommandLine;
using Barkeep.Common;

namespace Barkeep.Cli.Shared;

/// <summary>Options of Barman's that would change what is done, and are not to be had here: refused with a line that says what to do instead.</summary>
sealed class NotHereOptions
{
    readonly List<(Option Option, string Instead)> _options;

    /// <param name="options">Names, with what to do instead.</param>
    public NotHereOptions(IReadOnlyDictionary<string, string> options) =>
        _options = [.. options.Select(static o => ((Option)new Option<string>(o.Key) { Hidden = true }, o.Value))];

    public void AddTo(Command command) => _options.ForEach(o => command.Add(o.Option));

    /// <exception cref="BarkeepException">Usage: one of them was given.</exception>
    public void Refuse(ParseResult parse)
    {
        foreach (var (option, instead) in _options)
        {
            if (parse.GetResult(option) is { Implicit: false })
            {
                throw new BarkeepException(ErrorKind.Usage, $"{option.Name} is not to be had here", instead);
            }
        }
    }
}
