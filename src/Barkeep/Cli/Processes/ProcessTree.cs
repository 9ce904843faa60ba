using System.Diagnostics;
using System.Globalization;

namespace Barkeep.Cli.Processes;

/// <summary>The processes below this one.</summary>
static class ProcessTree
{
    const int Terminate = 15;
    const int Kill = 9;

    /// <summary>Makes orphans among the descendants children of this process, as they are of PID 1.</summary>
    public static void AdoptOrphans() => _ = NativeMethods.Control(NativeMethods.SetChildSubreaper, 1, 0, 0, 0);

    /// <summary>Collects the children that have ended.</summary>
    /// <param name="ended">Told each process id and its wait status.</param>
    public static void Reap(Action<int, int>? ended = null)
    {
        int pid;
        while ((pid = NativeMethods.Wait(-1, out var status, NativeMethods.WaitNoHang)) > 0)
        {
            ended?.Invoke(pid, status);
        }
    }

    /// <summary>Whether a child has ended, which collects it.</summary>
    public static bool HasEnded(int child) => NativeMethods.Wait(child, out _, NativeMethods.WaitNoHang) != 0;

    /// <summary>Asks a process to end.</summary>
    public static void Ask(int pid) => _ = NativeMethods.Kill(pid, Terminate);

    /// <summary>Asks all children to end, waits for them, and kills those that stay.</summary>
    public static async Task EndChildrenAsync(TimeSpan within)
    {
        var start = Stopwatch.GetTimestamp();
        foreach (var child in Children())
        {
            Ask(child);
        }
        while (Children().Count > 0)
        {
            if (Stopwatch.GetElapsedTime(start) > within)
            {
                Children().ForEach(static c => _ = NativeMethods.Kill(c, Kill));
            }
            await Task.Delay(20);
            Reap();
        }
    }

    /// <summary>The arguments of a process; none when it has gone.</summary>
    public static string[] CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Whether a process runs this very file. Where that cannot be seen, what it was called by counts.</summary>
    public static bool IsThisProgram(int pid)
    {
        try
        {
            // After an update the file that it runs has lost its name.
            var file = File.ResolveLinkTarget($"/proc/{pid}/exe", returnFinalTarget: false)?.FullName;
            return file is not null && Path.GetFileName(file.Replace(" (deleted)", "", StringComparison.Ordinal)) == Path.GetFileName(Environment.ProcessPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CommandLine(pid) is [var name, ..] && Path.GetFileName(name) is ProgramName.Barkeep or ProgramName.Barman;
        }
    }

    // Of PID 1 everyone is one: its end is theirs. Zombies are not among them: what has ended need not be asked to.
    static List<int> Children()
    {
        var children = new List<int>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && pid != Environment.ProcessId && ReadStat(pid) is [var state, var parent, ..] && state is not ("Z" or "X")
                && (Environment.ProcessId == 1 || parent == $"{Environment.ProcessId}"))
            {
                children.Add(pid);
            }
        }
        return children;
    }

    // proc(5): pid (name) state ppid …; the name may hold spaces and parentheses.
    static string[] ReadStat(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
