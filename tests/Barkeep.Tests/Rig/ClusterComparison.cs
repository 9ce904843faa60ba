using System.Buffers.Binary;

namespace Barkeep.Tests.Rig;

/// <summary>
/// Compares two data directories that no server runs on, page for page: a restored one with a pg_basebackup's.
/// Left out is what pg_basebackup leaves out or writes anew (PostgreSQL documentation, "BASE_BACKUP"): temporary,
/// statistics and process files, the content of pg_wal, the labels and signals of recovery. Of pg_control only the
/// system identifier counts.
/// </summary>
public static class ClusterComparison
{
    const int PageSize = 8192;

    // Their content is made anew at start; they themselves must be there.
    static readonly HashSet<string> Emptied =
    [
        "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_wal",
    ];

    static readonly HashSet<string> Skipped =
    [
        "postmaster.pid", "postmaster.opts", "backup_label", "backup_label.old", "tablespace_map", "tablespace_map.old", "backup_manifest",
        "postgresql.auto.conf", "standby.signal", "recovery.signal", "current_logfiles", "barkeep.restored",
    ];

    /// <summary>The differences, one line each; empty when the directories hold the same cluster.</summary>
    /// <param name="except">Further paths relative to the data directory, or directories, that may differ.</param>
    public static IReadOnlyList<string> Differences(string left, string right, params IEnumerable<string> except) =>
        Differences(left, right, static (_, _) => { }, except);

    /// <inheritdoc cref="Differences(string, string, IEnumerable{string})"/>
    /// <param name="clear">Clears what does not count in a page of the named file.</param>
    public static IReadOnlyList<string> Differences(string left, string right, PageMask clear, params IEnumerable<string> except)
    {
        var exceptions = except.ToHashSet();
        var (leftEntries, rightEntries) = (Entries(left, exceptions), Entries(right, exceptions));
        var differences = new List<string>();
        foreach (var path in leftEntries.Union(rightEntries).Order(StringComparer.Ordinal))
        {
            if (!rightEntries.Contains(path))
            {
                differences.Add($"{path}: only in {left}");
            }
            else if (!leftEntries.Contains(path))
            {
                differences.Add($"{path}: only in {right}");
            }
            else if (!path.EndsWith('/'))
            {
                CompareFile(path, Path.Combine(left, path), Path.Combine(right, path), clear, differences);
            }
        }
        return differences;
    }

    // Directories end in a slash. Links (tablespaces) are followed: where a tablespace is does not matter.
    static HashSet<string> Entries(string root, HashSet<string> exceptions)
    {
        var entries = new HashSet<string>();
        var pending = new Stack<string>([""]);
        while (pending.TryPop(out var directory))
        {
            foreach (var entry in new DirectoryInfo(Path.Combine(root, directory)).EnumerateFileSystemInfos())
            {
                var path = directory.Length == 0 ? entry.Name : $"{directory}/{entry.Name}";
                if (Skipped.Contains(path) || exceptions.Contains(path)
                    || entry.Name.StartsWith("pgsql_tmp", StringComparison.Ordinal) || entry.Name.StartsWith("pg_internal.init", StringComparison.Ordinal))
                {
                    continue;
                }
                if (!Directory.Exists(entry.FullName))
                {
                    entries.Add(path);
                    continue;
                }
                entries.Add($"{path}/");
                if (!Emptied.Contains(path))
                {
                    pending.Push(path);
                }
            }
        }
        return entries;
    }

    static void CompareFile(string path, string left, string right, PageMask clear, List<string> differences)
    {
        using var leftFile = File.OpenHandle(left);
        using var rightFile = File.OpenHandle(right);
        var (leftLength, rightLength) = (RandomAccess.GetLength(leftFile), RandomAccess.GetLength(rightFile));
        if (leftLength != rightLength)
        {
            differences.Add($"{path}: {leftLength} bytes in {left}, {rightLength} in {right}");
        }
        byte[] leftPage = new byte[PageSize], rightPage = new byte[PageSize];
        var length = path == "global/pg_control" ? sizeof(long) : Math.Min(leftLength, rightLength);
        for (var offset = 0L; offset < length; offset += PageSize)
        {
            var count = (int)Math.Min(PageSize, length - offset);
            ReadExactly(leftFile, leftPage.AsSpan(0, count), offset, left);
            ReadExactly(rightFile, rightPage.AsSpan(0, count), offset, right);
            if (leftPage.AsSpan(0, count).SequenceEqual(rightPage.AsSpan(0, count)))
            {
                continue;
            }
            clear(path, leftPage.AsSpan(0, count));
            clear(path, rightPage.AsSpan(0, count));
            var at = leftPage.AsSpan(0, count).CommonPrefixLength(rightPage.AsSpan(0, count));
            if (at < count)
            {
                differences.Add($"{path}: page {offset / PageSize} differs from byte {at} on (LSN {PageLsn(leftPage)} in {left}, {PageLsn(rightPage)} in {right})");
            }
        }
    }

    static void ReadExactly(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> bytes, long offset, string path)
    {
        if (RandomAccess.Read(file, bytes, offset) != bytes.Length)
        {
            throw new EndOfStreamException($"{path} changes while it is compared");
        }
    }

    // bufpage.h: a relation's page begins with the LSN of its last change, as two 32-bit halves.
    static string PageLsn(byte[] page) =>
        $"{BinaryPrimitives.ReadUInt32LittleEndian(page):X}/{BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(4)):X}";
}
