using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Common;

/// <summary>
/// One process at a time for one duty: an flock on a small file, which ends with the process, however it ends.
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
            // FileShare.ReadWrite keeps .NET from taking an flock of its own, in which it ignores failures.
            file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"opening lock file {path}");
        }
        if (NativeMethods.Lock((int)file.DangerousGetHandle(), NativeMethods.LockExclusive | NativeMethods.LockNonBlocking) != 0)
        {
            var taken = Marshal.GetLastPInvokeError() == Errno.WouldBlock;
            var error = taken ? null : Errno.Last($"locking {path}");
            file.Dispose();
            return error is null ? null : throw error;
        }
        RandomAccess.SetLength(file, 0);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"), 0);
        return new(file);
    }

    /// <summary>Whether some process, this one included, holds the lock now.</summary>
    public static bool IsHeld(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return NativeMethods.Lock((int)file.DangerousGetHandle(), NativeMethods.LockExclusive | NativeMethods.LockNonBlocking) != 0
            && Marshal.GetLastPInvokeError() == Errno.WouldBlock;
    }

    /// <summary>Locks an open file until it is closed, so that <see cref="IsHeld"/> tells others that its owner lives.</summary>
    internal static void Mark(SafeFileHandle file, string path)
    {
        if (NativeMethods.Lock((int)file.DangerousGetHandle(), NativeMethods.LockExclusive | NativeMethods.LockNonBlocking) != 0)
        {
            throw Errno.Last($"locking {path}");
        }
    }

    /// <summary>The process id that the present holder wrote, for messages only; null when the file says nothing.</summary>
    public static int? HolderPid(string path) =>
        File.Exists(path) && int.TryParse(File.ReadAllText(path).AsSpan().Trim(), out var pid) ? pid : null;

    /// <summary>Lets the next process have the duty. The file stays: removing it would race with the next taker.</summary>
    public void Dispose() => _file.Dispose();
}
