using System.Runtime.InteropServices;

namespace Barkeep.Common;

/// <summary>The few libc calls that .NET hides, softens or lacks. Linux only; see the manual page of each.</summary>
static partial class NativeMethods
{
    public const int OpenReadOnly = 0;
    public const int OpenWriteOnly = 1;
    public const int OpenCreate = 0x40;
    public const int OpenExclusive = 0x80;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;
    public const int OpenPathOnly = 0x200000;

    /// <summary>On Arm, O_DIRECTORY and O_NOFOLLOW have other values; the usual ones are O_DIRECT and O_LARGEFILE there (asm/fcntl.h).</summary>
    public static readonly int OpenDirectory = IsArm ? 0x4000 : 0x10000;

    public static readonly int OpenNoFollow = IsArm ? 0x8000 : 0x20000;

    public const int AtCurrentDirectory = -100;
    public const uint RenameNoReplace = 1;
    public const uint SyncFileRangeWrite = 2;
    public const int GetOpenFileLock = 36;
    public const int SetOpenFileLock = 37;
    public const short ReadLock = 0;
    public const short WriteLock = 1;
    public const short NoLock = 2;

    public static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <summary>With which and who 0 it concerns the calling thread: Linux has priorities by thread (setpriority(2), BUGS).</summary>
    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    public static partial int SetPriority(int which, int who, int nice);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int FileSync(int fd);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int FileDataSync(int fd);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    public static partial int SyncFileRange(int fd, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    public static partial int FilesystemSync(int fd);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Lock(int fd, int command, ref FileLock fileLock);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string oldPath, string newPath);

    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RemoveDirectory(string path);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RenameAt2(int oldDirectory, string oldPath, int newDirectory, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatAt(int directory, string path, int flags, uint wanted, out FileStatus status);

    /// <summary>A name in a directory is bytes that end in a zero: it need not be UTF-8.</summary>
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int StatAt(int directory, byte[] name, int flags, uint wanted, out FileStatus status);

    /// <summary>-1 leaves an owner as it is.</summary>
    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int ChangeOwner(int file, int uid, int gid);

    /// <summary>struct flock of fcntl(2) on 64-bit Linux; zero offsets mean the whole file, and the process id stays 0 for open file description locks.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int ProcessId;
    }
}
