using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Barkeep.Hooks;

/// <summary>Runs a shell command to its end, or kills it with all that it has started. What it prints goes to the log; that of one that fails as a warning.</summary>
sealed class ScriptRunner(TimeSpan limit, ILogger logger)
{
    /// <summary>So much of its output is looked at, in bytes.</summary>
    const int MaxOutput = 64 << 10;

    /// <returns>Its exit code; null when it could not be started or was killed.</returns>
    public async Task<int?> RunAsync(string name, string script, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        // A file, not a pipe: what the script leaves in the background may hold it as long as it likes.
        var output = Path.GetTempFileName();
        try
        {
            using var process = Start(name, script, output, variables);
            return process is null ? null : await WaitAsync(process, name, output, cancellationToken);
        }
        finally
        {
            File.Delete(output);
        }
    }

    Process? Start(string name, string script, string output, IReadOnlyDictionary<string, string> variables)
    {
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, WorkingDirectory = "/" };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("exec </dev/null >\"$0\" 2>&1\n" + script);
        start.ArgumentList.Add(output);
        // Variables of servers may hold passwords; what a command of ours needs of them was remembered at setup.
        foreach (var secret in start.Environment.Keys.Where(static k => k.StartsWith("BARMAN_", StringComparison.Ordinal) || k == "PGPASSWORD").ToList())
        {
            start.Environment.Remove(secret);
        }
        foreach (var (variable, value) in variables)
        {
            start.Environment[variable] = value.Replace("\0", "", StringComparison.Ordinal);
        }
        try
        {
            return Process.Start(start);
        }
        catch (Win32Exception e)
        {
            logger.LogError("{Hook} cannot be started: {Reason}", name, e.Message);
            return null;
        }
    }

    async Task<int?> WaitAsync(Process process, string name, string output, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(limit);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            var refusal = TryKill(process);
            LogOutput(LogLevel.Warning, name, output);
            if (refusal is not null)
            {
                logger.LogError("{Hook} has started what cannot be killed, and goes on: {Reason}", name, refusal);
            }
            cancellationToken.ThrowIfCancellationRequested();
            logger.LogError("{Hook} has not ended within {Limit} s{Outcome}", name, limit.TotalSeconds, refusal is null ? " and was killed" : "");
            return null;
        }
        LogOutput(process.ExitCode == 0 ? LogLevel.Information : LogLevel.Warning, name, output);
        if (process.ExitCode != 0)
        {
            logger.LogWarning("{Hook} has ended with exit code {Code}", name, process.ExitCode);
        }
        return process.ExitCode;
    }

    // What runs as another user (sudo) may not be killed: that is no reason to end with it.
    static string? TryKill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
            return null;
        }
        catch (Exception e) when (e is AggregateException or Win32Exception or InvalidOperationException)
        {
            return (e is AggregateException { InnerExceptions: [var first, ..] } ? first : e).Message;
        }
    }

    void LogOutput(LogLevel level, string name, string output)
    {
        using var file = File.OpenRead(output);
        var bytes = new byte[Math.Min(file.Length, MaxOutput)];
        file.ReadExactly(bytes);
        foreach (var line in System.Text.Encoding.UTF8.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            logger.Log(level, "{Hook}: {Line}", name, line);
        }
    }
}
