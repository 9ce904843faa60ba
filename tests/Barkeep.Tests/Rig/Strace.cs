using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>Faults for a process's system calls, injected by strace.</summary>
/// <param name="Inject">
/// strace's words: <c>fsync,fdatasync:error=EIO:when=3</c>, <c>renameat2:signal=KILL</c>, <c>fdatasync:delay_enter=200000</c> (µs).
/// With an error alone only these calls are stopped at, and the others run at full speed.
/// </param>
/// <param name="Path">Only calls on this file or directory; all when null.</param>
public sealed record Strace(string Inject, string? Path = null)
{
    /// <summary>The words before a command line; the process id stays the command's (-D).</summary>
    internal IEnumerable<string> Launch(string log) => ["strace", "-D", .. Fast, .. Options(log)];

    /// <summary>Injects into a process that runs already, all its threads, from when this returns until it is disposed.</summary>
    public async Task<IAsyncDisposable> AttachAsync(int pid)
    {
        var log = System.IO.Path.Combine(RigRoot.NewDirectory("strace"), "log");
        var strace = Process.Start(new ProcessStartInfo("strace", [.. Options(log), "-p", $"{pid}"]))!;
        await Eventually.IsTrueAsync(() => AllTraced(pid), $"strace attaches to {pid}");
        return new Attached(strace);
    }

    IEnumerable<string> Options(string log) =>
    [
        "-f", "-qq", "-o", log, "-e", $"trace={Inject.Split(':')[0]}", "-e", $"inject={Inject}", "-e", "signal=none",
        .. Path is null ? (string[])[] : ["-P", Path],
    ];

    // With the filter in the kernel, strace 6.1 injects no signals; with errors it works.
    IEnumerable<string> Fast => Inject.Contains(":error=", StringComparison.Ordinal) && !Inject.Contains("signal=", StringComparison.Ordinal) && !Inject.Contains("delay_", StringComparison.Ordinal)
        ? ["--seccomp-bpf"]
        : [];

    // A process that has ended, perhaps of the fault, was reached too.
    static bool AllTraced(int pid)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{pid}/task").All(task => !File.ReadAllText($"{task}/status").Contains("TracerPid:\t0\n", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return !ProcessTable.IsRunning(pid);
        }
    }

    sealed class Attached(Process strace) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Signal.Interrupt.Send(strace.Id);
            await strace.WaitForExitAsync();
            strace.Dispose();
        }
    }
}
