using System.Globalization;
using Barkeep.Common;

namespace Barkeep.Restores;

/// <summary>What a directory must be before a restore writes into it. Only looks: a refusal leaves everything as it was.</summary>
static class RestoreTarget
{
    /// <summary>Room beyond what the files need, for the filesystem's own bookkeeping.</summary>
    const double Allowance = 1.05;

    const string PidFile = "postmaster.pid";

    /// <exception cref="BarkeepException">TargetNotEmpty, TargetNotDirectory, TargetUnwritable, TargetInUse.</exception>
    public static void CheckUsable(string path)
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
        if (Directory.Exists(path))
        {
            CheckEmpty(path);
            CheckWritable(path);
            CheckOwned(path);
        }
        else
        {
            CheckWritable(NearestDirectory(path));
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

    static void CheckEmpty(string path)
    {
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFileSystemEntries(path).Select(static p => Path.GetFileName(p)).Where(static n => n != "lost+found")];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, $"{path} cannot be read: {e.Message}", null, e);
        }
        if (names.Length == 0)
        {
            return;
        }
        if (names.Contains(PidFile) && RunningServer(path) is { } pid)
        {
            throw new BarkeepException(ErrorKind.TargetInUse, $"PostgreSQL is running on {path} (process {pid})", "stop it, or restore elsewhere");
        }
        throw names.Contains(RestoreMarker.FileName)
            ? new(ErrorKind.TargetNotEmpty, $"{path} holds a restore that has not ended", "if no restore is running, empty the directory and restore again")
            : new BarkeepException(ErrorKind.TargetNotEmpty, $"{path} is not empty: it holds {names[0]}{(names.Length > 1 ? $" and {names.Length - 1} more" : "")}", "empty it, or restore elsewhere");
    }

    // A process id alone proves nothing: a server's working directory is its data directory.
    static int? RunningServer(string path)
    {
        try
        {
            if (!int.TryParse(File.ReadLines(Path.Combine(path, PidFile)).FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                return null;
            }
            var directory = new FileInfo($"/proc/{pid}/cwd").LinkTarget;
            return directory == Path.TrimEndingDirectorySeparator(path)
                || (directory is null && File.Exists($"/proc/{pid}/comm") && File.ReadAllText($"/proc/{pid}/comm").StartsWith("postgres", StringComparison.Ordinal))
                ? pid
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static void CheckWritable(string path)
    {
        if (TargetCalls.AccessAt(TargetCalls.CurrentDirectory, path, TargetCalls.WriteAccess | TargetCalls.ExecuteAccess, TargetCalls.EffectiveAccess) != 0)
        {
            throw new BarkeepException(ErrorKind.TargetUnwritable, Errno.Last($"writing into {path}").Message, "let the user that restores write there, or restore elsewhere");
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

    static TargetCalls.FileStatus StatusOf(string path) =>
        TargetCalls.StatAt(TargetCalls.CurrentDirectory, path, 0, TargetCalls.OwnerWanted, out var status) == 0 ? status : throw Errno.Last($"looking at {path}");
}
