using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// The backup whose pages a new one refers to instead of storing them again: the newest whose manifest can be read and whose packs are all
/// whole, as far as is known; or, if there is none, the newest whose manifest can be read. Safe for several threads.
/// </summary>
sealed class EarlierBackup
{
    readonly PackIndexCache _indexes;
    readonly HashSet<(string Path, int Page)> _damaged = [];
    readonly Lock _lock = new();
    readonly HashSet<int> _unreadable = [];
    readonly PackDamage _found;

    EarlierBackup(BackupId id, Manifest manifest, PackStore packs, IEnumerable<int> hurt, PackDamage found)
    {
        Id = id;
        Manifest = manifest;
        _indexes = new(packs);
        _found = found;
        _unreadable.UnionWith(hurt);
        HurtPack = _unreadable.Count > 0 ? manifest.Packs[_unreadable.Min()] : null;
        foreach (var page in manifest.Info.DamagedPages)
        {
            if (RelationFile.TryParse(page.File, out var file))
            {
                _damaged.Add((page.File, (int)(page.Block - ((long)file.Segment * manifest.Info.RelationSegmentBlocks))));
            }
        }
    }

    public BackupId Id { get; }

    public Manifest Manifest { get; }

    public BackupInfo Info => Manifest.Info;

    /// <summary>A pack of it that is missing or known to be damaged; null when there is none. Nothing that it holds is referred to.</summary>
    public string? HurtPack { get; }

    /// <summary>A newer backup that failed since the WAL that was received is not the server's: of what has changed since, nothing is known. Null when there is none.</summary>
    public BackupId? Doubt { get; private init; }

    /// <summary>Whether it has damaged pages that it does not list.</summary>
    public bool HasUnlistedDamage => Info.DamagedPageCount > Info.DamagedPages.Count;

    /// <summary>Finds it among a lineage's backups.</summary>
    /// <param name="damage">Takes what is found wrong with its packs later.</param>
    /// <param name="remarks">Takes a line for each newer backup that cannot be used.</param>
    public static async Task<EarlierBackup?> FindAsync(Lineage lineage, PackDamage damage, List<string> remarks, CancellationToken cancellationToken)
    {
        HashSet<string>? whole = null;
        EarlierBackup? hurt = null;
        BackupId? doubt = null;
        foreach (var (id, parts) in (await lineage.Backups.ListPartsAsync(cancellationToken)).Reverse())
        {
            if (BackupCatalog.HasFailed(parts))
            {
                doubt ??= await lineage.Backups.HasFoundOtherWalAsync(id, parts, cancellationToken) ? id : null;
                continue;
            }
            if (!parts.HasFlag(BackupParts.Manifest))
            {
                continue;
            }
            whole ??= await ListWholeAsync(lineage.Packs, cancellationToken);
            try
            {
                var manifest = await lineage.Backups.ReadManifestAsync(id, cancellationToken);
                var backup = new EarlierBackup(id, manifest, lineage.Packs, Enumerable.Range(0, manifest.Packs.Count).Where(p => !whole.Contains(manifest.Packs[p])), damage) { Doubt = doubt };
                if (backup.HurtPack is not { } pack)
                {
                    return backup;
                }
                remarks.Add($"backup {id} cannot be built on: its pack {pack} is damaged or missing; what it held is stored again");
                hurt ??= backup;
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath or ErrorKind.ObjectMissing)
            {
                remarks.Add($"backup {id} cannot be built on: {e.Message}");
            }
        }
        return hurt;
    }

    static async Task<HashSet<string>> ListWholeAsync(PackStore packs, CancellationToken cancellationToken)
    {
        var whole = (await packs.ListAsync(cancellationToken)).Select(static p => p.Name).ToHashSet(StringComparer.Ordinal);
        whole.ExceptWith(await packs.ListDamagedAsync(cancellationToken));
        return whole;
    }

    /// <summary>Gives each file the one of the same path in this backup.</summary>
    /// <param name="files">In the order of their paths.</param>
    public void Match(IReadOnlyList<BackupFile> files)
    {
        var next = 0;
        foreach (var entry in Manifest.Entries.Where(static e => e.Kind == ManifestEntryKind.File))
        {
            while (next < files.Count && ManifestEntry.ComparePaths(files[next].Path, entry.Path) < 0)
            {
                next++;
            }
            if (next < files.Count && files[next].Path == entry.Path)
            {
                files[next].Earlier = entry;
            }
        }
    }

    /// <summary>Whether a page is recorded as damaged: it is no reason to believe that it is stored as it should be.</summary>
    public bool IsDamaged(string path, int page) => _damaged.Count > 0 && _damaged.Contains((path, page));

    /// <summary>A file's pages that are recorded as damaged.</summary>
    public IEnumerable<int> DamagedPages(string path) => _damaged.Count == 0 ? [] : _damaged.Where(d => d.Path == path).Select(static d => d.Page);

    /// <summary>The hashes of a pack's pages; null when its index cannot be read, so that what it holds is not known.</summary>
    /// <param name="pack">Its number in the manifest.</param>
    public async ValueTask<PackIndex?> TryGetIndexAsync(int pack, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_unreadable.Contains(pack))
            {
                return null;
            }
        }
        try
        {
            return await _indexes.GetAsync(Manifest.Packs[pack], cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            lock (_lock)
            {
                _unreadable.Add(pack);
            }
            await _found.NoteAsync(Manifest.Packs[pack], e, cancellationToken);
            return null;
        }
    }
}
