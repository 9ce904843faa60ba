using System.Text;
using Barkeep.Common;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>
/// Goes through one directory of a target and finds what stays and what does not belong; the second time it removes the latter and gives the rest
/// its owner and mode. It never leaves the directory: a link is removed, not followed, and what is mounted in it stops it before anything is done.
/// </summary>
sealed class TargetSweep(TargetTree tree, int root, ExpectedContent expected, Ownership ownership, TargetFindings findings, bool isRemoving)
{
    const uint OwnerReadWrite = 0x180;
    const int BlockSize = 512;
    const string LostAndFound = "lost+found";

    readonly ulong _device = tree.Status.Device;

    /// <exception cref="BarkeepException">TargetNotEmpty: something is mounted in it. Storage.</exception>
    public void Run(CancellationToken cancellationToken)
    {
        using var directory = tree.OpenDirectory(".");
        Walk(directory, "", cancellationToken);
    }

    void Walk(SafeFileHandle directory, string path, CancellationToken cancellationToken)
    {
        foreach (var item in ItemsOf(directory, path))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (path.Length == 0 && item.Path == LostAndFound && item.Status.IsDirectory)
            {
                continue;
            }
            var belongs = item.IsText ? expected.At(root, item.Path) : null;
            switch (belongs?.Kind)
            {
                case ExpectedKind.Directory when item.Status.IsDirectory:
                    findings.AddPlace(root, item.Path);
                    Own(item, ownership.DirectoryMode);
                    using (var inner = Open(item))
                    {
                        Walk(inner, item.Path, cancellationToken);
                    }
                    break;
                case ExpectedKind.File when CanStay(item.Status):
                    findings.Kept[belongs.Value.Entry] = new(FileState.Of(item.Status), item.Status.Blocks * BlockSize);
                    Own(item, ownership.FileMode);
                    break;
                case ExpectedKind.Link when item.Status.IsLink && DestinationOf(item) == belongs.Value.Destination:
                    findings.AddPlace(root, item.Path);
                    break;
                case ExpectedKind.Own when item.Status is { IsRegular: true, Links: 1 }:
                    break;
                default:
                    Remove(item, belongs?.Kind == ExpectedKind.Anew, cancellationToken);
                    break;
            }
        }
    }

    void Remove(Item item, bool isMadeAnew, CancellationToken cancellationToken)
    {
        if (item.Status.IsDirectory)
        {
            using var inner = Open(item);
            foreach (var child in ItemsOf(inner, item.Path))
            {
                cancellationToken.ThrowIfCancellationRequested();
                Remove(child, isMadeAnew, cancellationToken);
            }
        }
        else if (item.Status.IsLink)
        {
            findings.AddLink(tree.Full(item.Path), DestinationOf(item));
        }
        if (isRemoving && TargetCalls.UnlinkAt(item.Parent, item.Name, item.Status.IsDirectory ? TargetCalls.RemoveDirectory : 0) != 0)
        {
            throw Errno.Last($"removing {tree.Full(item.Path)}");
        }
        // Another name of the same file keeps its bytes.
        findings.AddRemoved(root, tree.Full(item.Path), item.Status.Links > 1 ? 0 : item.Status.Blocks * BlockSize, isMadeAnew, isNamed: root != 0 || !item.Path.StartsWith("pg_wal/", StringComparison.Ordinal));
    }

    List<Item> ItemsOf(SafeFileHandle directory, string path)
    {
        var parent = (int)directory.DangerousGetHandle();
        var items = new List<Item>();
        foreach (var name in DirectoryNames.Read(directory, tree.Full(path)))
        {
            var text = DirectoryNames.TryText(name);
            var inner = $"{path}{(path.Length == 0 ? "" : "/")}{text ?? Encoding.Latin1.GetString(name.AsSpan(0, name.Length - 1))}";
            if (NativeMethods.StatAt(parent, name, TargetCalls.NotFollowing, FileStatus.Basic, out var status) != 0)
            {
                throw Errno.Last($"looking at {tree.Full(inner)}");
            }
            if (status.IsMountPointWithin(_device))
            {
                throw new BarkeepException(ErrorKind.TargetNotEmpty, $"{tree.Full(inner)} is a mount point", "a restore does not cross it: unmount it, or restore elsewhere");
            }
            items.Add(new(parent, name, inner, text is not null, status));
        }
        return items;
    }

    // What cannot be made ours is replaced, and so is what another name leads to as well.
    static bool CanStay(in FileStatus status) =>
        status is { IsRegular: true, Links: 1 }
        && (Environment.IsPrivilegedProcess || (status.Uid == NativeMethods.EffectiveUser() && (status.Permissions & OwnerReadWrite) == OwnerReadWrite));

    void Own(Item item, uint mode)
    {
        if (!isRemoving)
        {
            return;
        }
        if (ownership.Uid is { } uid && (item.Status.Uid != uid || (ownership.Gid is { } gid && item.Status.Gid != gid))
            && TargetCalls.ChangeOwnerAt(item.Parent, item.Name, uid, ownership.Gid ?? -1, TargetCalls.NotFollowing) != 0)
        {
            throw Errno.Last($"giving {tree.Full(item.Path)} its owner");
        }
        if (item.Status.Permissions != mode && TargetCalls.ChangeModeAt(item.Parent, item.Name, mode, 0) != 0)
        {
            throw Errno.Last($"giving {tree.Full(item.Path)} its mode");
        }
    }

    SafeFileHandle Open(Item item)
    {
        var fd = TargetCalls.OpenAt(item.Parent, item.Name, NativeMethods.OpenDirectory | NativeMethods.OpenNoFollow | NativeMethods.OpenCloseOnExec, 0);
        return fd >= 0 ? new(fd, ownsHandle: true) : throw Errno.Last($"opening {tree.Full(item.Path)}");
    }

    static string DestinationOf(Item item)
    {
        const int MaxLength = 4096;
        var buffer = new byte[MaxLength];
        var length = TargetCalls.ReadLinkAt(item.Parent, item.Name, buffer, MaxLength);
        return length < 0 ? throw Errno.Last($"reading the link {item.Path}") : Encoding.UTF8.GetString(buffer.AsSpan(0, (int)length));
    }

    /// <summary>Something in an open directory.</summary>
    sealed record Item(int Parent, byte[] Name, string Path, bool IsText, FileStatus Status);
}
