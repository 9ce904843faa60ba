using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>
/// A command of Barkeep's that was started. What it prints goes to files, not pipes: a process that it leaves running
/// keeps nobody waiting for the end of its output.
/// </summary>
public sealed class BarkeepProcess : IAsyncDisposable
{
    readonly Process _process;
    readonly string _line;
    readonly string _files;
    int _disposed;

    BarkeepProcess(Process process, string line, string files)
    {
        _process = process;
        _line = line;
        _files = files;
    }

    /// <summary>Barkeep's own process id, under strace too.</summary>
    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it has printed so far.</summary>
    public string Output => Read("out");

    /// <inheritdoc cref="Output"/>
    public string Error => Read("err");

    /// <summary>The log that strace wrote, when it ran under strace.</summary>
    public string StraceLog => Read("strace");

    internal static BarkeepProcess Start(IReadOnlyList<string> line, string files, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("sh", ["-c", """exec "$@" </dev/null >"$0.out" 2>"$0.err" """, files, .. line])
        {
            WorkingDirectory = "/",
        };
        foreach (var inherited in start.Environment.Keys.Where(IsBarkeeps).ToList())
        {
            start.Environment.Remove(inherited);
        }
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }
        return new(Process.Start(start)!, string.Join(' ', line), files);
    }

    /// <summary>Waits for its end.</summary>
    /// <exception cref="TimeoutException">It did not end in time; it is killed then.</exception>
    public async Task<CommandResult> ExitAsync(TimeSpan? within = null)
    {
        using var deadline = new CancellationTokenSource(within ?? Eventually.Deadline);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Signal.Kill.Send(Pid);
            throw new TimeoutException($"{_line}: not ended in time\n{Output}{Error}");
        }
        return new(_line, _process.ExitCode, Output, Error);
    }

    public void Send(Signal signal) => signal.Send(Pid);

    /// <summary>kill -9; returns when it is gone.</summary>
    public async Task KillAsync()
    {
        Send(Signal.Kill);
        await ExitAsync();
    }

    /// <summary>Waits until it has printed the text, to either stream; fails when it ends without.</summary>
    public async Task PrintsAsync(string text, TimeSpan? within = null)
    {
        await Eventually.GivesAsync(
            () => (Ended: HasExited, Text: Output + Error),
            seen => seen.Ended || seen.Text.Contains(text, StringComparison.Ordinal),
            $"{_line} prints \"{text}\"",
            within);
        if (!(Output + Error).Contains(text, StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"{_line}: ended with exit code {_process.ExitCode} without printing \"{text}\"\n{Output}{Error}");
        }
    }

    /// <summary>Ends it. May be called again.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }
        if (!HasExited)
        {
            await KillAsync();
        }
        _process.Dispose();
    }

    static bool IsBarkeeps(string variable) =>
        variable.StartsWith("BARKEEP_", StringComparison.Ordinal) || variable.StartsWith("BARMAN_", StringComparison.Ordinal);

    string Read(string kind) => File.Exists($"{_files}.{kind}") ? File.ReadAllText($"{_files}.{kind}") : "";
}
