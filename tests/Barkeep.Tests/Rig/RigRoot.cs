using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>
/// The one directory that all test runs work below, one subdirectory a run. A run holds a lock while it lives;
/// what a run that died left (servers, mounts, packet filter rules, files) is cleared when the next one starts.
/// </summary>
static class RigRoot
{
    static readonly Lazy<string> ThisRun = new(Begin);

    static FileStream? _lock;
    static int _directories;

    /// <summary>The working root, shared with the chroots at the same path.</summary>
    public static string Directory { get; } = Environment.GetEnvironmentVariable("BARKEEP_TEST_ROOT") ?? "/var/tmp/barkeep-test";

    /// <summary>This run's directory.</summary>
    public static string Run => ThisRun.Value;

    /// <summary>A new directory with a name that tells what it is for; root's, and open to all to enter.</summary>
    public static string NewDirectory(string purpose) =>
        System.IO.Directory.CreateDirectory(Path.Combine(Run, $"{purpose}-{Interlocked.Increment(ref _directories)}")).FullName;

    /// <summary>Removes a directory of this run; what cannot be removed is left to the end of the run.</summary>
    public static void Remove(string directory)
    {
        if (Environment.GetEnvironmentVariable("BARKEEP_TEST_KEEP") is null && System.IO.Directory.Exists(directory))
        {
            System.IO.Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>The file that names each packet filter rule of this run, so that a later run can remove it.</summary>
    internal static string RuleList(string run) => Path.Combine(run, "iptables");

    static string Begin()
    {
        System.IO.Directory.CreateDirectory(Directory);
        using (TakeClearingLock())
        {
            foreach (var run in System.IO.Directory.EnumerateDirectories(Directory, "run-*"))
            {
                using var unused = TakeLock(Path.Combine(run, "lock"));
                if (unused is not null)
                {
                    Clear(run);
                }
            }
            var mine = System.IO.Directory.CreateDirectory(Path.Combine(Directory, $"run-{Environment.ProcessId}")).FullName;
            _lock = TakeLock(Path.Combine(mine, "lock"))!;
            AppDomain.CurrentDomain.ProcessExit += (_, _) => End(mine);
            return mine;
        }
    }

    static void End(string run)
    {
        using (TakeClearingLock())
        {
            if (Environment.GetEnvironmentVariable("BARKEEP_TEST_KEEP") is null)
            {
                Clear(run);
            }
            _lock?.Dispose();
        }
    }

    static void Clear(string run)
    {
        EndProcesses(run);
        RemoveRules(run);
        Unmount(run);
        System.IO.Directory.Delete(run, recursive: true);
    }

    // Servers are known by the postmaster.pid in their data directory, Barkeep by the BARKEEP_HOME it was given.
    static void EndProcesses(string run)
    {
        foreach (var file in System.IO.Directory.EnumerateFiles(run, "postmaster.pid", SearchOption.AllDirectories))
        {
            if (int.TryParse(File.ReadLines(file).FirstOrDefault(), out var pid)
                && ProcessTable.CommandLine(pid) is [var program, .. var rest]
                && Path.GetFileName(program) == "postgres"
                && rest.Contains(Path.GetDirectoryName(file)))
            {
                ServerProcess.KillAll(pid);
            }
        }
        foreach (var pid in ProcessTable.Pids())
        {
            if (ProcessTable.Environment(pid).Any(variable => variable.StartsWith($"BARKEEP_HOME={run}/", StringComparison.Ordinal)))
            {
                Signal.Kill.Send(pid);
            }
        }
    }

    static void RemoveRules(string run)
    {
        if (!File.Exists(RuleList(run)))
        {
            return;
        }
        foreach (var rule in File.ReadLines(RuleList(run)))
        {
            Execute("iptables", ["-D", .. rule.Split(' ')]);
        }
    }

    static void Unmount(string run)
    {
        var mounted = File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')[1]).Where(path => path.StartsWith(run + "/", StringComparison.Ordinal));
        foreach (var path in mounted.Reverse().ToList())
        {
            Execute("umount", ["--lazy", path]);
        }
    }

    static void Execute(string program, IEnumerable<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true });
        process!.WaitForExit();
    }

    // One run at a time begins or ends, so that none sees another's directory half made or half removed.
    static FileStream TakeClearingLock()
    {
        for (var attempt = 0; attempt < 600; attempt++)
        {
            if (TakeLock(Path.Combine(Directory, "clearing")) is { } taken)
            {
                return taken;
            }
            Thread.Sleep(100);
        }
        throw new IOException($"another run has been clearing {Directory} for a minute");
    }

    // FileShare.None is an flock: it ends with the process, however that ends.
    static FileStream? TakeLock(string path)
    {
        try
        {
            return new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
