using System.Diagnostics;
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
    // FAT counts in twos.
    static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(3);

    readonly SafeFileHandle _root;
    readonly Ownership _ownership;

    /// <summary>Opens the directory, which must exist.</summary>
    public TargetTree(string root, Ownership ownership)
    {
        Root = root;
        _ownership = ownership;
        var fd = TargetCalls.OpenAt(NativeMethods.AtCurrentDirectory, root, NativeMethods.OpenDirectory | NativeMethods.OpenNoFollow | NativeMethods.OpenCloseOnExec, 0);
        _root = fd >= 0 ? new(fd, ownsHandle: true) : throw Errno.Last($"opening {root}");
    }

    public string Root { get; }

    /// <summary>The device and inode of the directory itself, its owner, its mode.</summary>
    public FileStatus Status => StatusOf(".") ?? throw Errno.Last($"looking at {Root}");

    int RootDescriptor => (int)_root.DangerousGetHandle();

    /// <summary>Gives the directory itself the owner and mode of what is in it.</summary>
    public void Adopt() => Own(_root, _ownership.DirectoryMode, "");

    /// <summary>Takes the directory for one restore, until this is disposed.</summary>
    /// <exception cref="BarkeepException">Busy: another restore has it.</exception>
    public void Claim()
    {
        if (TargetCalls.LockWhole(RootDescriptor, TargetCalls.LockExclusively) == 0)
        {
            return;
        }
        throw Marshal.GetLastPInvokeError() == Errno.WouldBlock
            ? new BarkeepException(ErrorKind.Busy, $"another restore into {Root} is running", "wait for its end, or stop it")
            : Errno.Last($"locking {Root}");
    }

    /// <summary>
    /// A time of the filesystem's own clock with which every change is marked that is made from now on, or a later one; what was changed
    /// before bears an earlier one, unless the clock does not move for seconds.
    /// </summary>
    /// <returns>Nanoseconds since 1970.</returns>
    public long NextTick()
    {
        var first = Tick();
        var now = first;
        for (var waited = Stopwatch.StartNew(); now <= first && waited.Elapsed < LongestTick; now = Tick())
        {
            Thread.Sleep(1);
        }
        return now;
    }

    public void CreateDirectory(string path)
    {
        using var parent = OpenParent(path, out var name);
        if (TargetCalls.MakeDirectoryAt(Descriptor(parent), name, _ownership.DirectoryMode) != 0)
        {
            throw Errno.Last($"creating directory {Full(path)}");
        }
        using var made = new SafeFileHandle(Open("opening", path, NativeMethods.OpenDirectory, 0), ownsHandle: true);
        Own(made, _ownership.DirectoryMode, path);
    }

    /// <summary>Creates a file that is not there yet, open for writing.</summary>
    public SafeFileHandle CreateFile(string path)
    {
        var file = new SafeFileHandle(Open("creating", path, NativeMethods.OpenWriteOnly | NativeMethods.OpenCreate | NativeMethods.OpenExclusive, _ownership.FileMode), ownsHandle: true);
        Own(file, _ownership.FileMode, path);
        return file;
    }

    /// <summary>Opens a file that is there.</summary>
    public SafeFileHandle OpenForWriting(string path) => new(Open("opening", path, NativeMethods.OpenWriteOnly | NativeMethods.OpenNonBlocking, 0), ownsHandle: true);

    /// <inheritdoc cref="OpenForWriting"/>
    public SafeFileHandle OpenForReading(string path) => new(Open("opening", path, NativeMethods.OpenNonBlocking, 0), ownsHandle: true);

    /// <summary>Opens a directory, so that its names can be read.</summary>
    public SafeFileHandle OpenDirectory(string path) => new(Open("opening", path, NativeMethods.OpenDirectory, 0), ownsHandle: true);

    /// <summary>What is at the path, a link itself; null when nothing is.</summary>
    public FileStatus? StatusOf(string path) =>
        NativeMethods.StatAt(RootDescriptor, path, TargetCalls.NotFollowing, FileStatus.Basic, out var status) == 0 ? status : null;

    /// <summary>A regular file's content; null when there is no such file, or a longer one.</summary>
    public byte[]? TryRead(string path, int maxLength)
    {
        if (StatusOf(path) is not { IsRegular: true } status || status.Length > maxLength)
        {
            return null;
        }
        using var file = OpenForReading(path);
        var content = new byte[status.Length];
        var count = 0;
        while (count < content.Length && Read(file, content.AsSpan(count), count, path) is > 0 and var read)
        {
            count += read;
        }
        return content[..count];
    }

    /// <summary>Fills the buffer from a file's bytes at an offset, as far as the file goes.</summary>
    public int Read(SafeFileHandle file, Span<byte> bytes, long offset, string path)
    {
        try
        {
            var filled = 0;
            while (filled < bytes.Length && RandomAccess.Read(file, bytes[filled..], offset + filled) is > 0 and var count)
            {
                filled += count;
            }
            return filled;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"reading {Full(path)}");
        }
    }

    /// <summary>Puts a small file in the root in the place of an older one or of none, as a whole; durable when it returns.</summary>
    public void ReplaceFile(string name, Action<Stream> write)
    {
        var temporary = $"{name}.new";
        DeleteFile(temporary);
        using (var file = CreateFile(temporary))
        {
            var length = 0L;
            using (var content = new SinkStream(bytes =>
            {
                Write(file, bytes, length, temporary);
                length += bytes.Length;
            }))
            {
                write(content);
            }
            Durable.Flush(file, Full(temporary));
        }
        if (TargetCalls.RenameAt(RootDescriptor, temporary, RootDescriptor, name) != 0)
        {
            throw Errno.Last($"naming {Full(name)}");
        }
        Durable.FlushDirectory(Root);
    }

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
        return new(Open("opening", slash < 0 ? "." : path[..slash], NativeMethods.OpenDirectory | NativeMethods.OpenPathOnly, 0), ownsHandle: true);
    }

    int Open(string doing, string path, int flags, uint mode)
    {
        int fd;
        do
        {
            fd = TargetCalls.OpenBeneath(RootDescriptor, path, flags | NativeMethods.OpenNoFollow | NativeMethods.OpenCloseOnExec, mode);
            if (fd < 0 && Marshal.GetLastPInvokeError() is Errno.NotImplemented or Errno.NotPermitted)
            {
                // Kernels before 5.6, and containers that forbid what they do not know: the tree is ours alone, so the last part decides.
                fd = TargetCalls.OpenAt(RootDescriptor, path, flags | NativeMethods.OpenNoFollow | NativeMethods.OpenCloseOnExec, mode);
            }
        }
        while (fd < 0 && Marshal.GetLastPInvokeError() is Errno.Interrupted or Errno.WouldBlock);
        return fd >= 0 ? fd : throw Errno.Last($"{doing} {Full(path)}");
    }

    // Its own mode again: that is a change.
    long Tick()
    {
        if (TargetCalls.ChangeMode(RootDescriptor, Status.Permissions) != 0)
        {
            throw Errno.Last($"giving {Root} its mode");
        }
        return FileState.Of(Status).Changed;
    }

    void Own(SafeFileHandle file, uint mode, string path)
    {
        if (_ownership.Uid is not null && NativeMethods.ChangeOwner(Descriptor(file), _ownership.Uid.Value, _ownership.Gid ?? -1) != 0)
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
