using System.CommandLine;

namespace Barkeep.Cli.Shared;

/// <summary>The options that every command has, before its name or after it.</summary>
static class GlobalOptions
{
    public static readonly Option<string> Format = new("--format", "-f")
    {
        Description = "console or json",
        DefaultValueFactory = static _ => "console",
        Recursive = true,
    };

    public static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "print results and errors only", Recursive = true };

    public static readonly Option<bool> Debug = new("--debug", "-d") { Description = "log everything to stderr", Recursive = true };

    public static readonly Option<string> LogLevel = new("--log-level")
    {
        Description = "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        Recursive = true,
    };

    public static readonly Option<string> Config = new("--config", "-c") { Description = "not used: see BARKEEP_CONFIG_DIR", Recursive = true };

    public static readonly Option<string> Color = new("--color", "--colour") { Description = "never, always or auto", Recursive = true };

    static GlobalOptions()
    {
        Choice.Restrict(Format, ["console", "json"]);
        Choice.Restrict(Color, ["never", "always", "auto"]);
        Choice.Restrict(LogLevel, ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"], StringComparer.OrdinalIgnoreCase);
    }

    public static IEnumerable<Option> All => [Format, Quiet, Debug, LogLevel, Config, Color];
}
