using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Common;

/// <summary>
/// Gives what root has made to the owner of the directory that it is in. All commands run as one user, to whom all of Barkeep's files belong; without this, a single one run
/// as root would leave files that keep that user out for ever. For everybody else nothing happens.
/// </summary>
public static partial class Possession
{
    // Where root may not give away, it is root by name only (a user namespace, NFS), and what it makes need not be its own.

    /// <summary>Gives away a file that this process has made exclusively: whatever its name leads to by now, the handle is that file.</summary>
    public static void Give(SafeFileHandle made, string path)
    {
        if (OwnerOver(path) is var (user, group))
        {
            _ = NativeMethods.ChangeOwner((int)made.DangerousGetHandle(), user, group);
        }
    }

    /// <summary>Gives away a directory that this process has just made; a link that has taken its name meanwhile is not followed.</summary>
    public static void GiveDirectory(string path)
    {
        if (OwnerOver(path) is var (user, group))
        {
            _ = ChangeLinkOwner(path, user, group);
        }
    }

    /// <summary>Opens a file, or makes it and gives it away. Throws what opening a file throws.</summary>
    internal static SafeFileHandle OpenOrMake(string path, FileAccess access, FileShare share)
    {
        if (NativeMethods.EffectiveUser() == 0)
        {
            try
            {
                var made = File.OpenHandle(path, FileMode.CreateNew, access, share);
                Give(made, path);
                return made;
            }
            catch (IOException) when (File.Exists(path))
            {
                // It was there.
            }
        }
        return File.OpenHandle(path, FileMode.OpenOrCreate, access, share);
    }

    /// <summary>Makes an empty file that is its owner's alone, and gives it away; one that is there stays as it is.</summary>
    /// <exception cref="BarkeepException">DiskFull, Storage.</exception>
    public static void MakePrivate(string path)
    {
        try
        {
            using var made = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
            File.SetUnixFileMode(made, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Give(made, path);
        }
        catch (IOException) when (File.Exists(path))
        {
            // It was there.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"making {path}");
        }
    }

    // Null when there is nothing to give away.
    static (int User, int Group)? OwnerOver(string path)
    {
        if (NativeMethods.EffectiveUser() != 0)
        {
            return null;
        }
        var directory = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path))!;
        return NativeMethods.StatAt(NativeMethods.AtCurrentDirectory, directory, 0, FileStatus.Basic, out var status) == 0 && status.Uid != 0 ? ((int)status.Uid, (int)status.Gid) : null;
    }

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeLinkOwner(string path, int user, int group);
}
