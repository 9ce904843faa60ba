using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Writes the members of an export's tar, in their order.</summary>
/// <param name="data">Where what a restore makes has been restored.</param>
sealed class ExportWriting(TarOutput tar, RestoreSource source, ExportRecord record, string data, Action<long, long>? progress) : IAsyncDisposable
{
    const int CopyLength = 1 << 20;

    readonly PageSequence _pages = new(source.Lineage, source.Manifest);
    readonly DateTimeOffset _time = source.Manifest.Info.EndTime;
    readonly long _total = source.Manifest.Info.ClusterSize + ((long)record.Wal.Count * record.SegmentSize);
    long _done;

    public async Task RunAsync(byte[] head, IReadOnlyList<string> restored, CancellationToken cancellationToken)
    {
        // What an import reads first.
        await tar.BeginFileAsync(ExportHead.Name, head.Length, _time, cancellationToken);
        await tar.WriteAsync(head, cancellationToken);

        // Directories and links, then files, as they were restored; the directory itself, whose mode PostgreSQL looks at, among them.
        await tar.WriteDirectoryAsync(".", _time, cancellationToken);
        foreach (var item in Walk(new(data)))
        {
            if (item.LinkTarget is { } destination)
            {
                await tar.WriteLinkAsync(Path.GetRelativePath(data, item.FullName), destination, _time, cancellationToken);
            }
            else if (item is DirectoryInfo)
            {
                await tar.WriteDirectoryAsync(Path.GetRelativePath(data, item.FullName), _time, cancellationToken);
            }
        }
        foreach (var path in restored)
        {
            await CopyAsync(path, cancellationToken);
        }

        // The backup's own content of what a restore changes.
        var changed = record.Changed.ToHashSet(StringComparer.Ordinal);
        foreach (var entry in source.Manifest.Entries.Where(e => changed.Contains(e.Path)))
        {
            await WritePagesAsync(entry, $"{record.Originals}/{entry.Path}", cancellationToken);
        }

        // All other files; without the last one of them PostgreSQL does not start.
        var there = restored.ToHashSet(StringComparer.Ordinal);
        foreach (var entry in ExportHead.FilesOf(source.Manifest).Where(e => e.Path != ManifestCheck.ControlFile && !there.Contains(e.Path)))
        {
            await WritePagesAsync(entry, ExportHead.PathOf(entry, source.Manifest, record.Tablespaces), cancellationToken);
        }
        var control = source.Manifest.Entries.Single(static e => e.Path == ManifestCheck.ControlFile);
        if (control.Kind == ManifestEntryKind.File)
        {
            await WritePagesAsync(control, control.Path, cancellationToken);
        }
        else
        {
            await tar.BeginFileAsync(control.Path, control.Length, _time, cancellationToken);
            await tar.WriteAsync(control.Content, cancellationToken);
        }
        await tar.FinishAsync(cancellationToken);
    }

    /// <summary>Everything below a directory, a directory before what is in it; links are not followed.</summary>
    public static IEnumerable<FileSystemInfo> Walk(DirectoryInfo directory)
    {
        foreach (var item in directory.EnumerateFileSystemInfos().OrderBy(static i => i.Name, StringComparer.Ordinal))
        {
            yield return item;
            if (item is DirectoryInfo { LinkTarget: null } inner)
            {
                foreach (var below in Walk(inner))
                {
                    yield return below;
                }
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _pages.Dispose();
        return ValueTask.CompletedTask;
    }

    async Task CopyAsync(string path, CancellationToken cancellationToken)
    {
        using var file = File.OpenHandle(Path.Combine(data, path));
        var length = RandomAccess.GetLength(file);
        await tar.BeginFileAsync(path, length, _time, cancellationToken);
        var buffer = new byte[Math.Min(length, CopyLength)];
        for (long offset = 0; offset < length;)
        {
            var count = RandomAccess.Read(file, buffer, offset);
            await tar.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            offset += count;
            Advance(count);
        }
    }

    async Task WritePagesAsync(ManifestEntry entry, string path, CancellationToken cancellationToken)
    {
        await tar.BeginFileAsync(path, entry.Length, DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(entry.ModifiedAt, 0, int.MaxValue)), cancellationToken);
        await _pages.ReadAsync(
            entry,
            async piece =>
            {
                await tar.WriteAsync(piece, cancellationToken);
                Advance(piece.Length);
            },
            cancellationToken);
    }

    void Advance(int bytes) => progress?.Invoke(_done += bytes, _total);
}
