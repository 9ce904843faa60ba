namespace Barkeep.Cli;

/// <summary>Which of its names the program was called by: each is a link to one file.</summary>
static class ProgramName
{
    public const string Barkeep = "barkeep";
    public const string Barman = "barman";
    public const string SetupBarman = "setup-barman";
    public const string RestoreLast = "restore-last";

    /// <summary>
    /// The name as it was called: argv[0], which an apphost hides from <see cref="Environment.GetCommandLineArgs"/>.
    /// </summary>
    public static string OfThisProcess()
    {
        var line = File.ReadAllText("/proc/self/cmdline");
        var end = line.IndexOf('\0', StringComparison.Ordinal);
        return Path.GetFileName(end < 0 ? line : line[..end]);
    }
}
