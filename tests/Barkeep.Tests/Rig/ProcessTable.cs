namespace Barkeep.Tests.Rig;

/// <summary>What /proc tells about running processes. A process that ends while it is read is left out.</summary>
static class ProcessTable
{
    public static IEnumerable<int> Pids()
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out var pid))
            {
                yield return pid;
            }
        }
    }

    /// <summary>The arguments, argv[0] first; empty for a process that is gone or a zombie.</summary>
    public static string[] CommandLine(int pid) => ReadList($"/proc/{pid}/cmdline");

    /// <summary>The environment that the process was started with, as <c>KEY=value</c>.</summary>
    public static string[] Environment(int pid) => ReadList($"/proc/{pid}/environ");

    /// <summary>Whether the process exists and is no zombie.</summary>
    public static bool IsRunning(int pid) => CommandLine(pid).Length > 0;

    /// <summary>Whether the process has been stopped, and starts no more others.</summary>
    public static bool IsStopped(int pid) => Fields(pid) is ["T" or "t", ..];

    public static IReadOnlyList<int> Children(int parent) => [.. Pids().Where(pid => Parent(pid) == parent)];

    static int? Parent(int pid) => Fields(pid) is [_, var text, ..] && int.TryParse(text, out var parent) ? parent : null;

    // pid (name, which may hold spaces and parentheses) state ppid …
    static string[] Fields(int pid)
    {
        var stat = Read($"/proc/{pid}/stat");
        return stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    static string[] ReadList(string path) => Read(path).Split('\0', StringSplitOptions.RemoveEmptyEntries);

    static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
