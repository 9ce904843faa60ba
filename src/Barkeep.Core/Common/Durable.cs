using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Common;

/// <summary>
/// The only place that makes bytes and names survive a power cut. .NET 10 on Linux returns normally from
/// <c>FileStream.Flush(true)</c> and <c>RandomAccess.FlushToDisk</c> when fsync fails, so these call libc and throw.
/// After a failure the file's cached pages may be marked clean although they were never written: the caller
/// must write the file anew, never call fsync again and believe it.
/// </summary>
public static class Durable
{
    /// <summary>When it returns, the file's bytes and length are on stable storage.</summary>
    /// <exception cref="BarkeepException">DiskFull or Storage: nothing may be assumed of the file.</exception>
    public static void Flush(SafeFileHandle file, string path)
    {
        while (NativeMethods.FileDataSync((int)file.DangerousGetHandle()) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.Interrupted)
            {
                throw Errno.Last($"flushing {path}");
            }
        }
    }

    /// <summary>
    /// Has the kernel begin to write a part of a file, so that <see cref="Flush"/> finds less to do. Promises nothing: its own
    /// failure is no matter, and one of writing is reported by Flush.
    /// </summary>
    /// <param name="length">In bytes; 0 is up to the file's end.</param>
    public static void BeginFlush(SafeFileHandle file, long offset, long length) =>
        _ = NativeMethods.SyncFileRange((int)file.DangerousGetHandle(), offset, length, NativeMethods.SyncFileRangeWrite);

    /// <summary>When it returns, the names in the directory are on stable storage: files created, renamed and removed.</summary>
    public static void FlushDirectory(string directory)
    {
        var fd = NativeMethods.Open(directory, NativeMethods.OpenReadOnly | NativeMethods.OpenDirectory | NativeMethods.OpenCloseOnExec);
        if (fd < 0)
        {
            throw Errno.Last($"opening directory {directory}");
        }
        try
        {
            while (NativeMethods.FileSync(fd) != 0)
            {
                if (Marshal.GetLastPInvokeError() != Errno.Interrupted)
                {
                    throw Errno.Last($"flushing directory {directory}");
                }
            }
        }
        finally
        {
            _ = NativeMethods.Close(fd);
        }
    }

    /// <summary>
    /// When it returns, everything that was written to a filesystem is on stable storage: one call for files by the hundred thousand.
    /// </summary>
    /// <param name="directory">
    /// Any directory of it, opened before the first byte was written: only what fails after that is reported (syncfs(2); by
    /// Linux 5.8 and later).
    /// </param>
    public static void FlushFilesystem(SafeFileHandle directory, string path)
    {
        while (NativeMethods.FilesystemSync((int)directory.DangerousGetHandle()) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.Interrupted)
            {
                throw Errno.Last($"flushing the filesystem of {path}");
            }
        }
    }

    /// <summary>
    /// Gives a finished file its final name, unless that name is taken. Whichever file has it then, its name is durable when this returns;
    /// the bytes must have been flushed before.
    /// </summary>
    /// <remarks>Who took the name may have ended before the directory was flushed, or have seen that fail: who is told that it is taken relies on it as well.</remarks>
    /// <returns>False when the name was taken: both files are as they were.</returns>
    public static bool Publish(string temporary, string final)
    {
        var isNew = NativeMethods.RenameAt2(NativeMethods.AtCurrentDirectory, temporary, NativeMethods.AtCurrentDirectory, final, NativeMethods.RenameNoReplace) == 0
            || Marshal.GetLastPInvokeError() switch
            {
                Errno.Exists => false,
                // NFS and old kernels: link is exclusive there.
                Errno.Invalid or Errno.NotImplemented or Errno.NotSupported => PublishByLink(temporary, final),
                _ => throw Errno.Last($"naming {final}"),
            };
        FlushDirectory(Path.GetDirectoryName(final)!);
        return isNew;
    }

    /// <summary>
    /// Puts a file of ours, whose bytes have been flushed, in the place of an older one or of none: a reader sees either.
    /// The name is durable when it returns.
    /// </summary>
    public static void Supersede(string temporary, string final)
    {
        Rename(temporary, final);
        FlushDirectory(Path.GetDirectoryName(final)!);
    }

    /// <summary>Gives a file another name, in the place of an older one or of none, and promises nothing beyond the next crash.</summary>
    /// <exception cref="BarkeepException">Storage, also when the name is on another filesystem.</exception>
    public static void Rename(string path, string final)
    {
        if (NativeMethods.RenameAt2(NativeMethods.AtCurrentDirectory, path, NativeMethods.AtCurrentDirectory, final, 0) != 0)
        {
            throw Errno.Last($"naming {final}");
        }
    }

    /// <summary>
    /// Replaces a small file of ours (state, settings; never an object of the repository) as a whole:
    /// a reader sees the old bytes or the new ones. Durable when it returns.
    /// </summary>
    /// <remarks>The file is its owner's alone: some of them hold secrets.</remarks>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = TemporaryOf(path);
        try
        {
            File.Delete(temporary);
            using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                Possession.Give(file, temporary);
                RandomAccess.Write(file, content, 0);
                Flush(file, temporary);
            }
            Supersede(temporary, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"writing {path}");
        }
        finally
        {
            RemoveUnnamed(temporary);
        }
    }

    /// <summary>
    /// Lays down a file for PostgreSQL, or for whoever asked for it, in the place of an older one or of none: under its name it is never there by half.
    /// Not flushed: whoever relies on it has to.
    /// </summary>
    /// <param name="write">Writes it; when it throws anything, nothing is left.</param>
    /// <exception cref="BarkeepException">DiskFull, Storage.</exception>
    public static void LayDown(string path, Action<FileStream> write)
    {
        var temporary = TemporaryOf(path);
        try
        {
            File.Delete(temporary);
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                write(file);
            }
            Rename(temporary, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"writing {path}");
        }
        finally
        {
            RemoveUnnamed(temporary);
        }
    }

    /// <summary>Creates a directory and its parents, owner-only, each name durable when it returns; existing ones are left as they are.</summary>
    public static void CreateDirectory(string directory)
    {
        if (Directory.Exists(directory))
        {
            return;
        }
        var parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(directory));
        if (!string.IsNullOrEmpty(parent))
        {
            CreateDirectory(parent);
        }
        try
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"creating directory {directory}");
        }
        Possession.GiveDirectory(directory);
        if (!string.IsNullOrEmpty(parent))
        {
            FlushDirectory(parent);
        }
    }

    /// <summary>Removes a file; one that is not there is no error. The name is gone for good when it returns.</summary>
    /// <param name="withDirectory">Whether its directory goes too when nothing else is in it.</param>
    public static void Remove(string path, bool withDirectory)
    {
        var directory = Path.GetDirectoryName(path)!;
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Removed with its directory, by somebody else.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"deleting {path}");
        }
        if (withDirectory)
        {
            RemoveEmptyDirectory(directory);
        }
        FlushNearest(directory);
    }

    /// <summary>Removes a directory if nothing is in it; otherwise, and when it is not there, nothing happens.</summary>
    public static void RemoveEmptyDirectory(string directory) => _ = NativeMethods.RemoveDirectory(directory);

    /// <summary>As <see cref="FlushDirectory"/>; a directory that is gone is gone for good when the one above it says so.</summary>
    public static void FlushNearest(string directory)
    {
        while (!Directory.Exists(directory))
        {
            directory = Path.GetDirectoryName(directory)!;
        }
        try
        {
            FlushDirectory(directory);
        }
        catch (BarkeepException) when (!Directory.Exists(directory))
        {
            FlushNearest(directory);
        }
    }

    static string TemporaryOf(string path) => $"{path}.{Environment.ProcessId}.tmp";

    // Once it has its name there is nothing to remove; and that it stays matters less than why it was not finished.
    static void RemoveUnnamed(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    static bool PublishByLink(string temporary, string final)
    {
        if (NativeMethods.Link(temporary, final) != 0)
        {
            if (Marshal.GetLastPInvokeError() == Errno.Exists)
            {
                return false;
            }
            throw Errno.Last($"naming {final}");
        }
        File.Delete(temporary);
        return true;
    }
}
