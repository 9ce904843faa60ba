namespace Barkeep.Tests.Rig;

/// <summary>What a finished command left: its exit code (128 + signal when killed) and everything that it printed.</summary>
public sealed record CommandResult(string Command, int ExitCode, string Output, string Error)
{
    public string[] OutputLines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>This, when the command succeeded.</summary>
    /// <exception cref="InvalidOperationException">It did not; the message has its output.</exception>
    public CommandResult Checked() =>
        ExitCode == 0 ? this : throw new InvalidOperationException(ToString());

    public override string ToString() => $"{Command}: exit code {ExitCode}\n{Output}{Error}";
}
