using Barkeep.Common;

namespace Barkeep.Restores;

/// <summary>What tells a file that was left alone from one that was not: any write changes <see cref="Changed"/>, and nobody can set that.</summary>
/// <param name="Device">Major number in the upper half, minor in the lower.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Modified">Last change of the content, nanoseconds since 1970.</param>
/// <param name="Changed">Last change of the content or of anything about the file, nanoseconds since 1970.</param>
readonly record struct FileState(ulong Device, ulong Inode, long Length, long Modified, long Changed)
{
    public static FileState Of(in FileStatus status) => new(
        status.Device,
        status.Inode,
        status.Length,
        Nanoseconds(status.ModifiedSeconds, status.ModifiedNanoseconds),
        Nanoseconds(status.ChangedSeconds, status.ChangedNanoseconds));

    // Times before 1970 or after 2262 match nothing.
    static long Nanoseconds(long seconds, uint nanoseconds) => seconds is >= 0 and < long.MaxValue / 1_000_000_001 ? (seconds * 1_000_000_000) + nanoseconds : -1;
}
