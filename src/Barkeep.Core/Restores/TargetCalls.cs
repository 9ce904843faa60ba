using System.Runtime.InteropServices;
using Barkeep.Common;

namespace Barkeep.Restores;

/// <summary>The libc calls with which a restore writes below one directory and never outside of it. Linux only; see the manual page of each.</summary>
static partial class TargetCalls
{
    public const int WriteAccess = 2;
    public const int ExecuteAccess = 1;
    public const int EffectiveAccess = 0x200;
    public const int NotFollowing = 0x100;

    public const int RemoveDirectory = 0x200;
    public const int LockExclusively = 2 | 4;

    const long OpenAt2Number = 437;
    static readonly long ListNumber = NativeMethods.IsArm ? 61 : 217;
    const ulong NoMagicLinks = 0x02;
    const ulong NoSymbolicLinks = 0x04;
    const ulong Beneath = 0x08;

    /// <summary>openat2(2), which refuses to leave the directory and to follow any symbolic link on the way.</summary>
    public static int OpenBeneath(int directory, string path, int flags, uint mode)
    {
        var how = new OpenHow { Flags = (uint)flags, Mode = mode, Resolve = Beneath | NoSymbolicLinks | NoMagicLinks };
        return (int)OpenAt2(OpenAt2Number, directory, path, ref how, (nuint)Marshal.SizeOf<OpenHow>());
    }

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int OpenAt(int directory, string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MakeDirectoryAt(int directory, string path, uint mode);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LinkAt(string destination, int directory, string path);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int UnlinkAt(int directory, string path, int flags);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwnerAt(int directory, string path, int uid, int gid, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int ChangeMode(int file, uint mode);

    [LibraryImport("libc", EntryPoint = "faccessat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AccessAt(int directory, string path, int mode, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RenameAt(int oldDirectory, string oldPath, int newDirectory, string newPath);

    /// <summary>flock(2): held by the open directory, whoever else has it open.</summary>
    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int LockWhole(int file, int operation);

    // Names in a directory are bytes that end in a zero: they need not be UTF-8.

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int directory, byte[] name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(int directory, byte[] name, int flags);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int ChangeOwnerAt(int directory, byte[] name, int uid, int gid, int flags);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    public static partial int ChangeModeAt(int directory, byte[] name, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(int directory, byte[] name, byte[] destination, nuint length);

    /// <summary>getdents64(2).</summary>
    /// <returns>Bytes of struct linux_dirent64; 0 at the end.</returns>
    public static int List(int directory, byte[] entries) => (int)List(ListNumber, directory, entries, (nuint)entries.Length);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long List(long number, int directory, byte[] entries, nuint length);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, int directory, string path, ref OpenHow how, nuint size);

    /// <summary>struct open_how of openat2(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }
}
