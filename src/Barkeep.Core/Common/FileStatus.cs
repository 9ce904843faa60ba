using System.Runtime.InteropServices;

namespace Barkeep.Common;

/// <summary>What the kernel says of a file: the part of struct statx (statx(2)) that is used here; the same on every processor.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
struct FileStatus
{
    /// <summary>Type, mode, links, owner, times, inode, length and blocks.</summary>
    public const uint Basic = 0x7FF;

    /// <summary>STATX_ATTR_MOUNT_ROOT, of Linux 5.8.</summary>
    const ulong MountRoot = 0x2000;

    const int TypeMask = 0xF000;
    const int DirectoryType = 0x4000;
    const int RegularType = 0x8000;
    const int LinkType = 0xA000;
    const uint PermissionMask = 0xFFF;

    [FieldOffset(8)]
    public ulong Attributes;

    [FieldOffset(16)]
    public uint Links;

    [FieldOffset(20)]
    public uint Uid;

    [FieldOffset(24)]
    public uint Gid;

    /// <summary>Type and permissions.</summary>
    [FieldOffset(28)]
    public ushort Mode;

    [FieldOffset(32)]
    public ulong Inode;

    [FieldOffset(40)]
    public long Length;

    /// <summary>Of 512 bytes.</summary>
    [FieldOffset(48)]
    public long Blocks;

    [FieldOffset(56)]
    public ulong KnownAttributes;

    [FieldOffset(96)]
    public long ChangedSeconds;

    [FieldOffset(104)]
    public uint ChangedNanoseconds;

    [FieldOffset(112)]
    public long ModifiedSeconds;

    [FieldOffset(120)]
    public uint ModifiedNanoseconds;

    [FieldOffset(136)]
    public uint DeviceMajor;

    [FieldOffset(140)]
    public uint DeviceMinor;

    public readonly ulong Device => ((ulong)DeviceMajor << 32) | DeviceMinor;

    public readonly bool IsDirectory => (Mode & TypeMask) == DirectoryType;

    public readonly bool IsRegular => (Mode & TypeMask) == RegularType;

    public readonly bool IsLink => (Mode & TypeMask) == LinkType;

    /// <summary>Whether something is mounted here. Where the kernel does not say, a directory on another device counts.</summary>
    public readonly bool IsMountPointWithin(ulong device) =>
        (KnownAttributes & MountRoot) != 0 ? (Attributes & MountRoot) != 0 : IsDirectory && Device != device;

    public readonly uint Permissions => Mode & PermissionMask;
}
