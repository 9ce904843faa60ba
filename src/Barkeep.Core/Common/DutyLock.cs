using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Common;

/// <summary>
/// One process at a time for one duty: a lock on a small file (fcntl(2), open file description), which ends with the process,
/// however it ends.
/// The process id written into the file is for people to read; it proves nothing and is never trusted.
/// </summary>
public sealed class DutyLock : IDisposable
{
    readonly SafeFileHandle _file;

    DutyLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, or returns null at once when another process has it.</summary>
    /// <exception cref="BarkeepException">Storage: the file cannot be made, or this filesystem has no locks.</exception>
    public static DutyLock? TryTake(string path)
    {
        Durable.CreateDirectory(Path.GetDirectoryName(path)!);
        SafeFileHandle file;
        try
        {
            file = Possession.OpenOrMake(path, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"opening lock file {path}");
        }
        try
        {
            if (!TryLock(file, path))
            {
                file.Dispose();
                return null;
            }
            TellHolder(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
        return new(file);
    }

    /// <summary>Takes a share of a lock that only ever is shared: it tells those who ask with <see cref="IsHeld"/>, and stops nobody.</summary>
    /// <returns>Null when the file is not there and cannot be made, or not be opened: whoever may only read has to go on without.</returns>
    /// <exception cref="BarkeepException">Storage: this filesystem has no locks.</exception>
    public static DutyLock? TryShare(string path)
    {
        if ((TryOpen(() => Possession.OpenOrMake(path, FileAccess.ReadWrite, FileShare.ReadWrite)) ?? TryOpen(() => OpenToRead(path))) is not { } file)
        {
            return null;
        }
        try
        {
            if (TryLock(file, path, NativeMethods.ReadLock))
            {
                return new(file);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
        file.Dispose();
        return null;
    }

    /// <summary>Whether some process, this one included, holds the lock now.</summary>
    public static bool IsHeld(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }
        using var file = TryOpen(() => OpenToRead(path)) ?? throw Errno.From(new UnauthorizedAccessException("it cannot be opened"), $"asking for the lock on {path}");
        // Asking does not take the lock: a process that wants it at this moment must not be turned away.
        var wanted = new NativeMethods.FileLock { Type = NativeMethods.WriteLock };
        return NativeMethods.Lock((int)file.DangerousGetHandle(), NativeMethods.GetOpenFileLock, ref wanted) == 0
            ? wanted.Type != NativeMethods.NoLock
            : throw Errno.Last($"asking for the lock on {path}");
    }

    /// <summary>Locks an open file until it is closed, so that <see cref="TryClaimAbandoned"/> tells others that its owner lives.</summary>
    /// <returns>False when another has claimed it first.</returns>
    internal static bool TryMark(SafeFileHandle file, string path) => TryLock(file, path);

    /// <summary>Takes over a file that nobody has marked: its owner is gone, or has yet to mark it and will find that it cannot. Null when it is marked, or not there.</summary>
    internal static SafeFileHandle? TryClaimAbandoned(string path)
    {
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        if (TryLock(file, path))
        {
            return file;
        }
        file.Dispose();
        return null;
    }

    /// <summary>The process id that the present holder wrote, for messages only; null when the file says nothing.</summary>
    public static int? HolderPid(string path) =>
        File.Exists(path) && int.TryParse(File.ReadAllText(path).AsSpan().Trim(), out var pid) ? pid : null;

    /// <summary>Lets the next process have the duty. The file stays: removing it would race with the next taker.</summary>
    public void Dispose()
    {
        // Closing alone is not enough: a process that another thread is just starting has a copy of the file until its exec.
        if (!_file.IsClosed)
        {
            var unlocked = new NativeMethods.FileLock { Type = NativeMethods.NoLock };
            _ = NativeMethods.Lock((int)_file.DangerousGetHandle(), NativeMethods.SetOpenFileLock, ref unlocked);
        }
        _file.Dispose();
    }

    // For people only: on a full disk, where a new file has no room for its first byte, the deletion that makes room must get its lock too.
    static void TellHolder(SafeFileHandle file)
    {
        try
        {
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"), 0);
        }
        catch (IOException)
        {
            // Nobody can be told who holds it; it is held.
        }
    }

    static SafeFileHandle OpenToRead(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    static SafeFileHandle? TryOpen(Func<SafeFileHandle> open)
    {
        try
        {
            return open();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static bool TryLock(SafeFileHandle file, string path, short type = NativeMethods.WriteLock)
    {
        var wanted = new NativeMethods.FileLock { Type = type };
        if (NativeMethods.Lock((int)file.DangerousGetHandle(), NativeMethods.SetOpenFileLock, ref wanted) == 0)
        {
            return true;
        }
        return Marshal.GetLastPInvokeError() is Errno.WouldBlock or Errno.AccessDenied ? false : throw Errno.Last($"locking {path}");
    }
}
