using System.Globalization;
using System.IO.Hashing;
using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>
/// Takes the members of an exported backup as they come, each once, none that does not belong: pages into packs, segments and histories to where they wait.
/// What is wrong with them ends the import before the backup exists.
/// </summary>
sealed class ImportContents(ExportHead head, ImportedPages pages, ImportedWal wal, Action<long>? advance)
{
    const int MaxMadeLength = 16 << 20;
    const int PieceLength = 1 << 20;

    readonly Dictionary<string, int> _files = [];
    readonly Dictionary<string, ExportedWal> _wal = [];
    readonly Dictionary<string, ExportedHistory> _histories = [];
    readonly HashSet<string> _skipped = new(StringComparer.Ordinal);
    readonly HashSet<string> _links = new(StringComparer.Ordinal);
    readonly List<ManifestEntry> _entries = [.. ExportHead.FilesOf(head.Manifest)];
    readonly byte[] _piece = new byte[PieceLength];

    /// <summary>Settles what may come.</summary>
    /// <exception cref="BarkeepException">Damaged: what the head says cannot be.</exception>
    public void Expect()
    {
        var changed = head.Record.Changed.ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < _entries.Count; i++)
        {
            var path = ExportHead.PathOf(_entries[i], head.Manifest, head.Record.Tablespaces);
            var isChanged = changed.Contains(_entries[i].Path);
            if (isChanged)
            {
                _skipped.Add(path);
            }
            if (!_files.TryAdd(isChanged ? $"{head.Record.Originals}/{_entries[i].Path}" : path, i))
            {
                throw Wrong(path, "comes twice");
            }
        }
        _skipped.UnionWith(head.Record.Made);
        _skipped.UnionWith(head.Manifest.Entries.Where(static e => e.Kind == ManifestEntryKind.Inline).Select(static e => e.Path));
        ExpectWal();
        foreach (var tablespace in head.Manifest.Info.Tablespaces)
        {
            _links.Add(string.Create(CultureInfo.InvariantCulture, $"pg_tblspc/{tablespace.Oid}"));
        }
    }

    public async Task TakeAsync(TarMember member, TarInput tar, CancellationToken cancellationToken)
    {
        if (member is { Name: "", Kind: TarMember.Directory })
        {
            // The data directory itself.
            return;
        }
        if (member.Name.StartsWith('/') || member.Name.Split('/').Any(static part => part is "" or "..") || member.Name.Contains('\0', StringComparison.Ordinal))
        {
            throw new BarkeepException(ErrorKind.HostilePath, $"the tar has a member named '{Printable(member.Name)}', which leads elsewhere", "it was not written by barkeep or was altered: nothing of it has been kept");
        }
        switch (member.Kind)
        {
            case TarMember.Directory:
                break;
            case TarMember.SymbolicLink when _links.Remove(member.Name) && !member.Link.StartsWith('/'):
                break;
            case TarMember.File when _files.Remove(member.Name, out var file):
                await TakeFileAsync(member, file, tar, cancellationToken);
                break;
            case TarMember.File when _wal.Remove(member.Name, out var segment):
                await TakeSegmentAsync(member, segment, tar, cancellationToken);
                break;
            case TarMember.File when _histories.Remove(member.Name, out var history):
                await TakeHistoryAsync(member, history, tar, cancellationToken);
                break;
            case TarMember.File when _skipped.Remove(member.Name) && member.Length <= MaxMadeLength:
                break;
            default:
                throw Wrong(member.Name, member.Kind is TarMember.File or TarMember.SymbolicLink ? "does not belong to the backup, or comes twice" : $"is of kind '{Printable($"{member.Kind}")}', which no export has");
        }
    }

    /// <summary>Whether everything that an import needs has come.</summary>
    /// <exception cref="BarkeepException">Damaged.</exception>
    public void CheckComplete()
    {
        if (_files.Keys.Concat(_wal.Keys).Concat(_histories.Keys).FirstOrDefault() is { } missing)
        {
            throw Wrong(missing, $"is missing, and {_files.Count + _wal.Count + _histories.Count - 1} more");
        }
    }

    // Exactly the segments from the backup's begin to its end. Whether they and the histories are of its timelines tells what is in these.
    void ExpectWal()
    {
        var (info, size) = (head.Manifest.Info, head.Identity.SegmentSize);
        var number = size.NumberOf(info.BeginLsn);
        foreach (var segment in head.Record.Wal)
        {
            if (!SegmentName.TryParse(segment.Name, out var name) || name.Number(size) != number++ || segment.Replaced.Any(r => r[0] < 0 || r[0] >= size.Bytes || r[1] is < 0 or > 255))
            {
                throw Wrong(segment.Name, "is not a segment of the backup");
            }
            _wal.Add($"pg_wal/{name}", segment);
            _skipped.Add($"pg_wal/archive_status/{name}.done");
        }
        if (size.StartOf(number) < info.EndLsn || size.StartOf(number - 1) >= info.EndLsn)
        {
            throw Wrong(head.Record.Wal[^1].Name, "is not the last segment of the backup");
        }
        foreach (var history in head.Record.Histories)
        {
            var name = new TimelineId(history.Timeline).HistoryFileName;
            if (!_histories.TryAdd($"pg_wal/{name}", history))
            {
                throw Wrong(name, "comes twice");
            }
            _skipped.Add($"pg_wal/archive_status/{name}.done");
        }
    }

    async Task TakeFileAsync(TarMember member, int file, TarInput tar, CancellationToken cancellationToken)
    {
        if (member.Length != _entries[file].Length)
        {
            throw Wrong(member.Name, string.Create(CultureInfo.InvariantCulture, $"has {member.Length} bytes instead of {_entries[file].Length}"));
        }
        var hash = new FileHash();
        for (var rest = member.Length; rest > 0;)
        {
            var length = (int)Math.Min(rest, _piece.Length);
            await tar.ReadAsync(_piece.AsMemory(0, length), cancellationToken);
            var padded = (int)Page.CountFor(length) * Page.Size;
            _piece.AsSpan(length, padded - length).Clear();
            for (var at = 0; at < padded; at += Page.Size)
            {
                hash.Add(await pages.AddAsync(file, _piece.AsMemory(at, Page.Size), cancellationToken));
            }
            rest -= length;
            advance?.Invoke(length);
        }
        if (hash.Take() != head.FileHashes[file])
        {
            throw Wrong(member.Name, "does not match its hash");
        }
    }

    async Task TakeSegmentAsync(TarMember member, ExportedWal segment, TarInput tar, CancellationToken cancellationToken)
    {
        var size = head.Identity.SegmentSize.Bytes;
        if (member.Length != size)
        {
            throw Wrong(member.Name, string.Create(CultureInfo.InvariantCulture, $"has {member.Length} bytes instead of {size}"));
        }
        var replaced = segment.Replaced.ToDictionary(static r => r[0], static r => (byte)r[1]);
        var hash = new XxHash128();
        _ = SegmentName.TryParse(segment.Name, out var name);
        using (var file = File.OpenHandle(wal.PathOf(name), FileMode.Create, FileAccess.Write))
        {
            for (var offset = 0; offset < size;)
            {
                var part = _piece.AsMemory(0, Math.Min(_piece.Length, size - offset));
                await tar.ReadAsync(part, cancellationToken);
                foreach (var (at, value) in replaced)
                {
                    if (at >= offset && at < offset + part.Length)
                    {
                        part.Span[at - offset] = value;
                    }
                }
                hash.Append(part.Span);
                RandomAccess.Write(file, part.Span, offset);
                offset += part.Length;
                advance?.Invoke(part.Length);
            }
        }
        if (Convert.ToHexStringLower(hash.GetCurrentHash()) != segment.Hash)
        {
            throw Wrong(member.Name, "does not match its hash");
        }
        wal.Add(name, segment.Hash);
    }

    async Task TakeHistoryAsync(TarMember member, ExportedHistory history, TarInput tar, CancellationToken cancellationToken)
    {
        if (member.Length > _piece.Length)
        {
            throw Wrong(member.Name, "is too long");
        }
        var content = new byte[member.Length];
        await tar.ReadAsync(content, cancellationToken);
        if (Convert.ToHexStringLower(XxHash128.Hash(content)) != history.Hash)
        {
            throw Wrong(member.Name, "does not match its hash");
        }
        try
        {
            wal.Add(new(history.Timeline), content);
        }
        catch (FormatException e)
        {
            throw Wrong(member.Name, e.Message);
        }
    }

    internal static BarkeepException Wrong(string member, string how) =>
        new(ErrorKind.Damaged, $"the tar cannot be imported: {Printable(member)} {how}", "it was cut off or altered on its way: copy it again");

    static string Printable(string text) => string.Concat(text.Take(200).Select(static c => char.IsControl(c) ? '?' : c));
}
