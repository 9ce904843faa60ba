using System.Diagnostics;

namespace Barkeep.Bench;

/// <summary>Where commands run: on the host or in the peers' chroot, always as the user postgres, with what they need in their environment.</summary>
sealed class Shell(string? root, IReadOnlyDictionary<string, string> environment)
{
    readonly string[] _entry = root is null
        ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        : ["chroot", "--userspec=postgres:postgres", root];

    /// <summary>Runs a command line to its end.</summary>
    /// <returns>Its standard output.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message has what it wrote.</exception>
    public string Run(string script) => Run(script, []);

    /// <summary>Runs a command line and measures it.</summary>
    /// <param name="serverCpu">Seconds that the server has used so far; null where there is none.</param>
    public Sample Measure(string script, Func<double>? serverCpu)
    {
        // What earlier commands wrote must not have to be written during this one.
        Run("sync -f /mnt");
        var figures = Path.GetTempFileName();
        var before = serverCpu?.Invoke() ?? double.NaN;
        var start = Stopwatch.GetTimestamp();
        Run(script, ["/usr/bin/time", "--quiet", "--output", figures, "--format", "%U %S %M"]);
        var wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var after = serverCpu?.Invoke() ?? double.NaN;
        var fields = File.ReadAllText(figures).Split(' ');
        File.Delete(figures);
        return new()
        {
            Wall = wall,
            ClientCpu = Text.Number(fields[0]) + Text.Number(fields[1]),
            ServerCpu = after - before,
            Peak = Text.Number(fields[2]) / 1024,
        };
    }

    /// <summary>Starts a command that runs on; it ends with the benchmark at the latest.</summary>
    public Process Start(string script)
    {
        var start = StartInfo(script + " >>/mnt/background.log 2>&1", []);
        return Process.Start(start)!;
    }

    string Run(string script, string[] prefix)
    {
        var start = StartInfo(script, prefix);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.Trim()
            : throw new InvalidOperationException($"status {process.ExitCode}: {script}\n{output}{errors.Result}");
    }

    ProcessStartInfo StartInfo(string script, string[] prefix)
    {
        string[] line = [.. prefix, .. _entry, "env", .. environment.Select(static v => $"{v.Key}={v.Value}"), "sh", "-c", script];
        return new(line[0], line.Skip(1)) { WorkingDirectory = "/mnt" };
    }
}
