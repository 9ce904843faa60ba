using System.Runtime.InteropServices;
using Barkeep.Common;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>
/// Writes below one directory. No path leads out of it, and no symbolic link is followed on the way, whoever put it there;
/// files are created, never opened over what is there. Paths are relative, with <c>/</c>. Safe for several threads.
/// </summary>
sealed class TargetTree : IDisposable
{
    readonly SafeFileHandle _root;
    readonly Ownership _ownership;

    /// <summary>Opens the directory, which must exist.</summary>
    public TargetTree(string root, Ownership ownership)
    {
        Root = root;
        _ownership = ownership;
        var fd = TargetCalls.OpenAt(TargetCalls.CurrentDirectory, root, TargetCalls.OpenDirectory | TargetCalls.OpenNoFollow | TargetCalls.OpenCloseOnExec, 0);
        _root = fd >= 0 ? new(fd, ownsHandle: true) : throw Errno.Last($"opening {root}");
    }

    public string Root { get; }

    int RootDescriptor => (int)_root.DangerousGetHandle();

    /// <summary>Gives the directory itself the owner and mode of what is in it.</summary>
    public void Adopt()
    {
        using var self = new SafeFileHandle(Open("", ".", TargetCalls.OpenDirectory, 0), ownsHandle: true);
        Own(self, _ownership.DirectoryMode, Root);
    }

    public void CreateDirectory(string path)
    {
        using var parent = OpenParent(path, out var name);
        if (TargetCalls.MakeDirectoryAt(Descriptor(parent), name, _ownership.DirectoryMode) != 0)
        {
            throw Errno.Last($"creating directory {Full(path)}");
        }
        using var made = new SafeFileHandle(Open("opening", path, TargetCalls.OpenDirectory, 0), ownsHandle: true);
        Own(made, _ownership.DirectoryMode, path);
    }

    /// <summary>Creates a file that is not there yet, open for writing.</summary>
    public SafeFileHandle CreateFile(string path)
    {
        var file = new SafeFileHandle(Open("creating", path, TargetCalls.OpenWriteOnly | TargetCalls.OpenCreate | TargetCalls.OpenExclusive, _ownership.FileMode), ownsHandle: true);
        Own(file, _ownership.FileMode, path);
        return file;
    }

    /// <summary>Opens a file that <see cref="CreateFile"/> made.</summary>
    public SafeFileHandle OpenForWriting(string path) => new(Open("opening", path, TargetCalls.OpenWriteOnly, 0), ownsHandle: true);

    /// <summary>Creates a file with this content; not durable yet.</summary>
    public void WriteFile(string path, ReadOnlySpan<byte> content)
    {
        using var file = CreateFile(path);
        Write(file, content, 0, path);
    }

    public void CreateLink(string path, string destination)
    {
        using var parent = OpenParent(path, out var name);
        if (TargetCalls.LinkAt(destination, Descriptor(parent), name) != 0)
        {
            throw Errno.Last($"creating the link {Full(path)}");
        }
        if (_ownership.Uid is not null
            && TargetCalls.ChangeOwnerAt(Descriptor(parent), name, _ownership.Uid.Value, _ownership.Gid ?? -1, TargetCalls.NotFollowing) != 0)
        {
            throw Errno.Last($"giving {Full(path)} its owner");
        }
    }

    public void DeleteFile(string path)
    {
        using var parent = OpenParent(path, out var name);
        if (TargetCalls.UnlinkAt(Descriptor(parent), name, 0) != 0 && Marshal.GetLastPInvokeError() != Errno.NoEntry)
        {
            throw Errno.Last($"removing {Full(path)}");
        }
    }

    /// <summary>Writes at an offset, whatever the disk says put into the words of the user.</summary>
    public void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset, string path)
    {
        try
        {
            RandomAccess.Write(file, bytes, offset);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"writing {Full(path)}");
        }
    }

    /// <summary>Gives a file its length; what was not written reads as zeros and takes no room.</summary>
    public void SetLength(SafeFileHandle file, long length, string path)
    {
        try
        {
            RandomAccess.SetLength(file, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"extending {Full(path)} to {length} bytes");
        }
    }

    /// <summary>When it returns, all that was written to the filesystem of this tree is on stable storage.</summary>
    public void Flush() => Durable.FlushFilesystem(_root, Root);

    public string Full(string path) => Path.Combine(Root, path);

    public void Dispose() => _root.Dispose();

    SafeFileHandle OpenParent(string path, out string name)
    {
        var slash = path.LastIndexOf('/');
        name = path[(slash + 1)..];
        return new(Open("opening", slash < 0 ? "." : path[..slash], TargetCalls.OpenDirectory | TargetCalls.OpenPathOnly, 0), ownsHandle: true);
    }

    int Open(string doing, string path, int flags, uint mode)
    {
        int fd;
        do
        {
            fd = TargetCalls.OpenBeneath(RootDescriptor, path, flags | TargetCalls.OpenNoFollow | TargetCalls.OpenCloseOnExec, mode);
            if (fd < 0 && Marshal.GetLastPInvokeError() is Errno.NotImplemented or Errno.NotPermitted)
            {
                // Kernels before 5.6, and containers that forbid what they do not know: the tree is ours alone, so the last part decides.
                fd = TargetCalls.OpenAt(RootDescriptor, path, flags | TargetCalls.OpenNoFollow | TargetCalls.OpenCloseOnExec, mode);
            }
        }
        while (fd < 0 && Marshal.GetLastPInvokeError() is Errno.Interrupted or Errno.WouldBlock);
        return fd >= 0 ? fd : throw Errno.Last($"{doing} {Full(path)}");
    }

    void Own(SafeFileHandle file, uint mode, string path)
    {
        if (_ownership.Uid is not null && TargetCalls.ChangeOwner(Descriptor(file), _ownership.Uid.Value, _ownership.Gid ?? -1) != 0)
        {
            throw Errno.Last($"giving {Full(path)} its owner");
        }
        if (TargetCalls.ChangeMode(Descriptor(file), mode) != 0)
        {
            throw Errno.Last($"giving {Full(path)} its mode");
        }
    }

    static int Descriptor(SafeFileHandle handle) => (int)handle.DangerousGetHandle();
}
