using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>Runs programs to their end.</summary>
static class Command
{
    public static Task<CommandResult> RunAsync(string program, params string[] arguments) =>
        RunAsync([program, .. arguments], null, TimeSpan.FromMinutes(5));

    /// <param name="environment">Added to this process's own; a null value removes a variable.</param>
    public static async Task<CommandResult> RunAsync(
        IReadOnlyList<string> line, IReadOnlyDictionary<string, string?>? environment, TimeSpan within)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var (key, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[key] = value;
        }
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(within);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', line)}: not ended within {within.TotalSeconds:0} s");
        }
        return new(string.Join(' ', line), process.ExitCode, await output, await error);
    }
}
