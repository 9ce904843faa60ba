using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>A running postmaster, started by the rig and ended by its process id.</summary>
sealed class ServerProcess : IDisposable
{
    readonly Process _process;
    readonly string _log;

    ServerProcess(Process process, string log)
    {
        _process = process;
        _log = log;
    }

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Starts the server and returns at once; it logs into the file, after what is there.</summary>
    public static ServerProcess Start(PostgresInstallation installation, string log, IEnumerable<string> arguments)
    {
        var line = installation.CommandLine("postgres", arguments);
        var start = new ProcessStartInfo("sh", ["-c", """exec "$@" </dev/null >>"$0" 2>&1""", log, .. line])
        {
            WorkingDirectory = "/",
            Environment = { ["LC_ALL"] = "C", ["HOME"] = "/" },
        };
        return new(Process.Start(start)!, log);
    }

    /// <summary>Waits until the server takes connections, as its postmaster.pid says.</summary>
    /// <exception cref="InvalidOperationException">It ended instead; the message has the end of its log.</exception>
    public async Task ReadyAsync(string dataDirectory, TimeSpan within)
    {
        var pidFile = Path.Combine(dataDirectory, "postmaster.pid");
        try
        {
            await Eventually.GivesAsync(() => HasExited ? "ended" : State(pidFile), state => state is "ready" or "standby" or "ended", "server start", within);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{LogEnd()}", e);
        }
        if (HasExited)
        {
            throw new InvalidOperationException($"postgres ended with exit code {_process.ExitCode}\n{LogEnd()}");
        }
    }

    public async Task ExitAsync(TimeSpan within)
    {
        using var deadline = new CancellationTokenSource(within);
        await _process.WaitForExitAsync(deadline.Token);
    }

    /// <summary>
    /// kill -9 of the postmaster and all its children, as a crash of the machine ends them; returns when they are gone,
    /// so that the next start finds no shared memory in use.
    /// </summary>
    public static void KillAll(int postmaster)
    {
        // Stopped first, so that it starts no more children meanwhile; a signal takes a moment.
        Signal.Stop.Send(postmaster);
        var clock = Stopwatch.StartNew();
        while (!ProcessTable.IsStopped(postmaster) && ProcessTable.IsRunning(postmaster) && clock.Elapsed < TimeSpan.FromSeconds(30))
        {
            Thread.Sleep(1);
        }
        int[] all = [postmaster, .. ProcessTable.Children(postmaster)];
        foreach (var pid in all)
        {
            Signal.Kill.Send(pid);
        }
        while (all.Any(ProcessTable.IsRunning) && clock.Elapsed < TimeSpan.FromSeconds(30))
        {
            Thread.Sleep(5);
        }
    }

    public void Dispose() => _process.Dispose();

    // The eighth line is the state, padded with blanks.
    string State(string pidFile)
    {
        try
        {
            var lines = File.ReadAllLines(pidFile);
            return lines.Length >= 8 && lines[0] == $"{Pid}" ? lines[7].Trim() : "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    string LogEnd() => string.Join('\n', File.ReadLines(_log).TakeLast(20));
}
