using System.Globalization;
using System.Runtime.InteropServices;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>What a directory must be before a restore writes into it. Only looks: a refusal leaves everything as it was.</summary>
static class RestoreTarget
{
    /// <summary>Room beyond what the files need, for the filesystem's own bookkeeping.</summary>
    const double Allowance = 1.05;

    /// <summary>What to do about a directory that cannot be written into.</summary>
    internal const string WhatToDo = "let the user that restores write there, or restore elsewhere";

    const string PidFile = "postmaster.pid";

    /// <param name="isDelta">Whether something may be in it already.</param>
    /// <returns>Whether something is in it.</returns>
    /// <exception cref="BarkeepException">TargetNotEmpty, TargetNotDirectory, TargetUnwritable, TargetInUse.</exception>
    public static bool CheckUsable(string path, bool isDelta)
    {
        if (!Path.IsPathRooted(path))
        {
            throw new BarkeepException(ErrorKind.Usage, $"'{path}' is not an absolute path");
        }
        var file = new FileInfo(path);
        if (file.LinkTarget is not null)
        {
            throw new BarkeepException(ErrorKind.TargetNotDirectory, $"{path} is a symbolic link to {file.LinkTarget}", "name the directory itself");
        }
        if (file.Exists)
        {
            throw new BarkeepException(ErrorKind.TargetNotDirectory, $"{path} is a file", "name an empty directory, or one that does not exist yet");
        }
        if (!Directory.Exists(path))
        {
            CheckWritable(NearestDirectory(path));
            return false;
        }
        var names = NamesIn(path);
        if (names.Count > 0)
        {
            CheckNotRunning(path);
        }
        if (names.Count > 0 && !isDelta)
        {
            throw names.Contains(RestoreMarker.FileName)
                ? new(ErrorKind.TargetNotEmpty, $"{path} holds a restore that has not ended", "if no restore is running, restore with --delta, which finishes it, or empty the directory")
                : new BarkeepException(ErrorKind.TargetNotEmpty, $"{path} is not empty: it holds {names[0]}{(names.Count > 1 ? $" and {names.Count - 1} more" : "")}", "empty it, restore elsewhere, or into a copy of the cluster with --delta");
        }
        CheckWritable(path);
        CheckOwned(path);
        return names.Count > 0;
    }

    /// <summary>Refuses what lies where a server's backups and WAL are kept, by whatever path, or within a data directory.</summary>
    /// <exception cref="BarkeepException">TargetUnwritable.</exception>
    public static void CheckOutside(string path)
    {
        // Upwards as the filesystem has it: a name on the way may be a link's.
        for (var at = NearestDirectory(path); ; at += "/..")
        {
            if (TryStatus($"{at}/{Locations.RepositoryName}/{Repository.FormatName}") is not null)
            {
                throw new BarkeepException(ErrorKind.TargetUnwritable, $"{path} is where the backups and the WAL of a server are kept", "restore elsewhere");
            }
            if (at != path && TryStatus($"{at}/{ManifestCheck.ControlFile}") is not null)
            {
                throw new BarkeepException(ErrorKind.TargetUnwritable, $"{path} lies within the data directory {Path.GetFullPath(at)}", "restore elsewhere");
            }
            var (here, above) = (StatusOf(at), StatusOf(at + "/.."));
            if ((here.Device, here.Inode) == (above.Device, above.Inode))
            {
                return;
            }
        }
    }

    /// <summary>What is in a directory, but for lost+found.</summary>
    /// <exception cref="BarkeepException">TargetUnwritable.</exception>
    public static IReadOnlyList<string> NamesIn(string path)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(path).Select(static p => Path.GetFileName(p)).Where(static n => n != "lost+found")];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, $"{path} cannot be read: {Errno.ReasonOf(e, path)}", "restore as its owner or as root, or restore elsewhere", e);
        }
    }

    /// <summary>Refuses a data directory that a server runs on, or may run on where it cannot be seen.</summary>
    /// <exception cref="BarkeepException">TargetInUse.</exception>
    public static void CheckNotRunning(string path)
    {
        var (running, sawAll) = FindServer(path);
        if (running is { } pid)
        {
            throw new BarkeepException(ErrorKind.TargetInUse, $"PostgreSQL is running on {path} (process {pid})", "stop it, or restore elsewhere");
        }
        if (!sawAll && File.Exists(Path.Combine(path, PidFile)) && File.Exists(Path.Combine(path, ManifestCheck.ControlFile)))
        {
            throw new BarkeepException(
                ErrorKind.TargetInUse,
                $"{path} has a {PidFile}: PostgreSQL runs on it where this process may not look, in another container or as another user, or was killed",
                $"stop it; if none is running, remove {PidFile}");
        }
    }

    /// <summary>Refuses when the filesystems do not have room for what goes into each directory.</summary>
    /// <param name="needs">Directory and bytes; several may share a filesystem.</param>
    /// <exception cref="BarkeepException">TargetTooSmall.</exception>
    public static void CheckRoom(IEnumerable<(string Path, long Bytes)> needs)
    {
        foreach (var filesystem in needs.Select(static n => (Path: NearestDirectory(n.Path), n.Bytes)).GroupBy(static n => DeviceOf(n.Path)))
        {
            var path = filesystem.First().Path;
            var needed = (long)(filesystem.Sum(static n => n.Bytes) * Allowance);
            var free = new DriveInfo(path).AvailableFreeSpace;
            if (free < needed)
            {
                throw new BarkeepException(
                    ErrorKind.TargetTooSmall,
                    $"the filesystem of {path} has {new ByteSize(free)} free, and the restore needs {new ByteSize(needed)}",
                    "make room, or restore elsewhere");
            }
        }
    }

    /// <summary>The owner of a directory that is there.</summary>
    public static (uint Uid, uint Gid) OwnerOf(string directory)
    {
        var status = StatusOf(directory);
        return (status.Uid, status.Gid);
    }

    // Process ids are of no use across containers. A server's working directory is its data directory, by whatever path.
    static (int? Running, bool SawAll) FindServer(string path)
    {
        var directory = StatusOf(path);
        var sawAll = ListsAllProcesses();
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) || !MayBePostgres(process))
            {
                continue;
            }
            if (NativeMethods.StatAt(NativeMethods.AtCurrentDirectory, $"{process}/cwd", 0, FileStatus.Basic, out var status) != 0)
            {
                // A process that has just ended runs on nothing. Another user's is shown only to CAP_SYS_PTRACE, which root need not have.
                sawAll &= Marshal.GetLastPInvokeError() is Errno.NoEntry or Errno.NoProcess;
            }
            else if (status.Inode == directory.Inode && status.Device == directory.Device)
            {
                return (pid, sawAll);
            }
        }
        return (null, sawAll);
    }

    static bool MayBePostgres(string process)
    {
        try
        {
            return File.ReadAllText($"{process}/comm").StartsWith("postgres", StringComparison.Ordinal);
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            // It has ended.
            return false;
        }
    }

    // The namespace of the machine's first process has this fixed inode (include/linux/proc_ns.h, PROC_PID_INIT_INO). Where /proc is mounted
    // with hidepid, that process is hidden like all of other users.
    static bool ListsAllProcesses() => new FileInfo("/proc/self/ns/pid").LinkTarget == "pid:[4026531836]" && Directory.Exists("/proc/1");

    static void CheckWritable(string path)
    {
        if (TargetCalls.AccessAt(NativeMethods.AtCurrentDirectory, path, TargetCalls.WriteAccess | TargetCalls.ExecuteAccess, TargetCalls.EffectiveAccess) != 0)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, Errno.Last($"writing into {path}").Message, WhatToDo);
        }
    }

    // A data directory belongs to the user that PostgreSQL runs as, and only root can give it away.
    static void CheckOwned(string path)
    {
        var user = NativeMethods.EffectiveUser();
        if (user != 0 && OwnerOf(path).Uid != user)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, $"{path} belongs to another user (uid {OwnerOf(path).Uid}) than the one that restores (uid {user})", "restore as that user or as root, or restore elsewhere");
        }
    }

    static string NearestDirectory(string path)
    {
        var nearest = path;
        while (!Directory.Exists(nearest))
        {
            nearest = File.Exists(nearest)
                ? throw new BarkeepException(ErrorKind.TargetNotDirectory, $"{nearest} is a file", "name an empty directory, or one that does not exist yet")
                : Path.GetDirectoryName(nearest) ?? "/";
        }
        return nearest;
    }

    static (uint, uint) DeviceOf(string path)
    {
        var status = StatusOf(path);
        return (status.DeviceMajor, status.DeviceMinor);
    }

    /// <summary>What a path leads to is like; null when it cannot be looked at.</summary>
    public static FileStatus? TryStatus(string path) =>
        NativeMethods.StatAt(NativeMethods.AtCurrentDirectory, path, 0, FileStatus.Basic, out var status) == 0 ? status : null;

    static FileStatus StatusOf(string path) => TryStatus(path) ?? throw Errno.Last($"looking at {path}");
}
