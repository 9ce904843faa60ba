using System.CommandLine;
using Barkeep.Common;
using Barkeep.Restores;

namespace Barkeep.Cli.Shared;

/// <summary>The options of all commands that restore.</summary>
sealed class RestoreOptionGroup
{
    readonly Option<string[]> _tablespaces = new("--tablespace") { Description = "NAME:DIRECTORY, for a tablespace that is not to go inside the target" };
    readonly Option<int?> _jobs = NumberOption.Between(1, 64, "threads that decode and write", "--jobs", "-j");
    readonly Option<int?> _bandwidth = NumberOption.Between(0, int.MaxValue, "kilobytes of the repository to read in a second; 0 is no limit", "--bwlimit");
    readonly Option<string> _owner = new("--owner") { Description = "user or user:group that the files shall belong to" };

    readonly Option<bool> _delta = new("--delta", "--delta-restore") { Description = "into a directory that holds a copy of the cluster: write only what differs, remove what does not belong" };
    readonly Option<bool> _dryRun = new("--dry-run") { Description = "only say what would be done" };

    public void AddTo(Command command)
    {
        command.Add(_delta);
        command.Add(_dryRun);
        command.Add(_tablespaces);
        command.Add(_jobs);
        command.Add(_bandwidth);
        command.Add(_owner);
    }

    public bool IsDryRun(ParseResult parse) => parse.GetValue(_dryRun);

    /// <summary>Adds what was said to what is to be restored.</summary>
    /// <exception cref="BarkeepException">Usage.</exception>
    public RestoreOptions Apply(RestoreOptions options, ParseResult parse) => options with
    {
        Tablespaces = Places(parse),
        Owner = parse.GetValue(_owner),
        Jobs = parse.GetValue(_jobs),
        BandwidthLimit = parse.GetValue(_bandwidth) ?? 0,
        IsDelta = parse.GetValue(_delta),
    };

    Dictionary<string, string> Places(ParseResult parse)
    {
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in parse.GetValue(_tablespaces) ?? [])
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon < 1 || colon == text.Length - 1)
            {
                throw new BarkeepException(ErrorKind.Usage, $"--tablespace {text} is not NAME:DIRECTORY");
            }
            var (name, directory) = (text[..colon], text[(colon + 1)..]);
            if (!Path.IsPathRooted(directory))
            {
                throw new BarkeepException(ErrorKind.Usage, $"--tablespace {text}: '{directory}' is no absolute path");
            }
            if (!places.TryAdd(name, Path.GetFullPath(directory)))
            {
                throw new BarkeepException(ErrorKind.Usage, $"--tablespace names '{name}' twice");
            }
        }
        return places;
    }
}
