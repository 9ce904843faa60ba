using System.Globalization;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>
/// Writes a backup, with the WAL that makes it consistent, into one tar that is a data directory of its own, and from which it can be imported
/// again as it was (docs/format.md, "Exports"). Needs no server; memory does not grow with the cluster, but for its list of files.
/// </summary>
public sealed class BackupExport
{
    const int CopyLength = 1 << 20;

    readonly ExportOptions _options;
    readonly TimeProvider _time;
    readonly Action<long, long>? _progress;
    readonly string _final;
    readonly string _workplace;
    RestoreSource _whole = null!;
    RestoreSource _narrow = null!;

    /// <param name="progress">Told the bytes done and those to do.</param>
    public BackupExport(ExportOptions options, TimeProvider time, Action<long, long>? progress)
    {
        _options = options;
        _time = time;
        _progress = progress;
        var name = $"{options.Server}-{options.Backup}{options.Compression.Suffix}";
        _final = Path.Combine(Path.GetFullPath(options.Directory), name);
        _workplace = Path.Combine(Path.GetDirectoryName(_final)!, $".{name}.exporting");
    }

    string Data => Path.Combine(_workplace, "data");

    /// <summary>Exports. The tar is on stable storage when it returns; when it throws, there is none.</summary>
    /// <exception cref="BarkeepException">
    /// UnknownBackup, BackupUnusable, WalGap, Damaged, ObjectMissing, HostilePath, NewerRepository; TargetNotEmpty: there is such a tar already;
    /// TargetNotDirectory; Busy; DiskFull, Storage.
    /// </exception>
    public async Task<ExportResult> RunAsync(CancellationToken cancellationToken)
    {
        CheckTarget();
        using var held = DutyLock.TryShare(_options.Locations.RestoreLock(_options.Server));
        using var turn = DutyLock.TryTake(Path.Combine(_workplace, "lock")) ?? throw new BarkeepException(ErrorKind.Busy, $"backup {_options.Backup} is being exported to {_options.Directory} already", "wait for it to end");
        Clear();
        try
        {
            // 1. What a restore makes or changes, and WAL: small, but for the WAL.
            var restored = await RestoreJob.RunAsync(
                new() { Locations = _options.Locations, Server = _options.Server, Target = Data, Backup = _options.Backup, Narrow = Narrow }, null, cancellationToken);

            // 2. What an import must know of it.
            var (manifestBytes, _) = await _whole.Lineage.Backups.GetManifestAsync(_options.Backup, cancellationToken);
            var hashes = await HashFilesAsync(cancellationToken);
            var record = await DescribeAsync(manifestBytes.Length, hashes, cancellationToken);

            // 3. The tar.
            var unfinished = Path.Combine(_workplace, Path.GetFileName(_final));
            await WriteAsync(unfinished, ExportHead.Seal(record, manifestBytes, hashes), record, cancellationToken);
            return Durable.Publish(unfinished, _final)
                ? new(_final, new FileInfo(_final).Length, _whole.Manifest.Info.ClusterSize, record.Wal.Count, restored.Warnings)
                : throw Exists();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"writing {_final}");
        }
        finally
        {
            Clear();
            Directory.Delete(_workplace, recursive: true);
        }
    }

    RestoreSource Narrow(RestoreSource source)
    {
        _whole = source;
        return _narrow = ExportNarrowing.Apply(source);
    }

    void CheckTarget()
    {
        if (!Directory.Exists(_options.Directory))
        {
            throw new BarkeepException(ErrorKind.TargetNotDirectory, $"{_options.Directory} is not a directory", "create it");
        }
        if (Path.Exists(_final))
        {
            throw Exists();
        }
        Durable.CreateDirectory(_workplace);
    }

    BarkeepException Exists() => new(ErrorKind.TargetNotEmpty, $"{_final} exists already", "remove it, or export to another directory");

    void Clear()
    {
        foreach (var left in new DirectoryInfo(_workplace).EnumerateFileSystemInfos().Where(static f => f.Name != "lock"))
        {
            if (left is DirectoryInfo { LinkTarget: null } directory)
            {
                directory.Delete(recursive: true);
            }
            else
            {
                left.Delete();
            }
        }
    }

    // From the indexes of packs: nothing is read for it.
    async Task<List<UInt128>> HashFilesAsync(CancellationToken cancellationToken)
    {
        var indexes = new PackIndexCache(_whole.Lineage.Packs);
        var hash = new FileHash();
        var hashes = new List<UInt128>();
        foreach (var entry in ExportHead.FilesOf(_whole.Manifest))
        {
            foreach (var run in entry.Runs)
            {
                var index = run.IsZeros ? null : await indexes.GetAsync(_whole.Manifest.Packs[run.Pack], cancellationToken);
                for (var i = 0; i < run.Count; i++)
                {
                    hash.Add(index is null ? FileHash.ZeroPage : index.HashOf(run.Ordinal + i));
                }
            }
            hashes.Add(hash.Take());
        }
        return hashes;
    }

    async Task<ExportRecord> DescribeAsync(int manifestLength, List<UInt128> hashes, CancellationToken cancellationToken)
    {
        var manifest = _whole.Manifest;
        var files = ExportHead.FilesOf(manifest).Select((e, i) => (Entry: e, Hash: hashes[i])).ToDictionary(static f => f.Entry.Path, static f => f.Hash, StringComparer.Ordinal);
        var known = manifest.Entries.Select(static e => e.Path).ToHashSet(StringComparer.Ordinal);
        var changed = new List<string>();
        var made = new List<string>();
        foreach (var path in RestoredFiles())
        {
            if (files.TryGetValue(path, out var hash))
            {
                if (HashOf(Path.Combine(Data, path)) != hash)
                {
                    changed.Add(path);
                }
            }
            else if (!known.Contains(path) && !IsWal(path))
            {
                made.Add(path);
            }
        }
        return new()
        {
            SystemId = _whole.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture),
            MajorVersion = _whole.Lineage.Identity.MajorVersion,
            SegmentSize = _whole.Lineage.Identity.SegmentSize.Bytes,
            Server = _options.Server.ToString(),
            BackupId = _options.Backup.ToString(),
            Program = ProgramVersion.Signature,
            ExportedAt = _time.GetLocalNow(),
            ManifestLength = manifestLength,
            Originals = RestoredConfiguration.UnusedName(manifest, "barkeep-original"),
            Tablespaces = TablespacePlacement.InsideRoot(manifest),
            Changed = changed,
            Made = made,
            Wal = await DescribeWalAsync(cancellationToken),
            Histories = [.. _narrow.Received.Histories.Keys.Select(t => new ExportedHistory(t.Value, Hex(XxHash128.Hash(File.ReadAllBytes(Path.Combine(Data, $"pg_wal/{t.HistoryFileName}"))))))],
        };
    }

    async Task<List<ExportedWal>> DescribeWalAsync(CancellationToken cancellationToken)
    {
        var segments = new List<ExportedWal>();
        foreach (var part in _narrow.Route.Parts)
        {
            var hash = new XxHash128();
            var replaced = new List<IReadOnlyList<int>>();
            var offset = 0;
            using var restored = File.OpenHandle(Path.Combine(Data, $"pg_wal/{part.Segment.Name}"));
            var there = new byte[CopyLength];
            await using var sink = new SinkStream(bytes =>
            {
                hash.Append(bytes);
                var same = there.AsSpan(0, RandomAccess.Read(restored, there.AsSpan(0, bytes.Length), offset));
                for (var at = 0; (at += bytes[at..].CommonPrefixLength(same[at..])) < bytes.Length; at++)
                {
                    replaced.Add([offset + at, bytes[at]]);
                }
                offset += bytes.Length;
            });
            await _narrow.Lineage.Wal.CopySegmentAsync(part.Segment.Name, partial: false, sink, cancellationToken);
            segments.Add(new(part.Segment.Name.ToString(), Hex(hash.GetCurrentHash()), replaced));
        }
        return segments;
    }

    async Task WriteAsync(string path, byte[] head, ExportRecord record, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, BufferSize = CopyLength });
        var compressed = _options.Compression.Compress(file);
        await using (var content = new ExportWriting(new(compressed, _whole.Manifest.Info.GroupAccess), _whole, record, Data, _progress))
        {
            await content.RunAsync(head, [.. RestoredFiles()], cancellationToken);
        }
        if (compressed != file)
        {
            await compressed.DisposeAsync();
        }
        await file.FlushAsync(cancellationToken);
        Durable.Flush(file.SafeFileHandle, path);
    }

    // What the restore has left, but for what it left for itself, and what comes last.
    IEnumerable<string> RestoredFiles() =>
        ExportWriting.Walk(new(Data)).OfType<FileInfo>().Where(static f => f.LinkTarget is null)
            .Select(f => Path.GetRelativePath(Data, f.FullName)).Where(static f => f is not (RestoreRecord.FileName or ManifestCheck.ControlFile)).Order(StringComparer.Ordinal);

    static bool IsWal(string path) => path.StartsWith("pg_wal/", StringComparison.Ordinal);

    static UInt128 HashOf(string path)
    {
        using var file = File.OpenHandle(path);
        var hash = new FileHash();
        var page = new byte[Page.Size];
        for (long offset = 0; offset < RandomAccess.GetLength(file); offset += Page.Size)
        {
            page.AsSpan(RandomAccess.Read(file, page, offset)).Clear();
            hash.Add(FrameCodec.HashOf(page));
        }
        return hash.Take();
    }

    static string Hex(ReadOnlySpan<byte> hash) => Convert.ToHexStringLower(hash);
}
