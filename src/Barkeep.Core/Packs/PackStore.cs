using System.Collections.Concurrent;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Packs;

/// <summary>
/// A lineage's packs. A pack's name is <c>&lt;backup id&gt;/&lt;number&gt;</c>, after the backup that wrote it; any manifest may refer to it.
/// Collection may put a next generation in a pack's place at any time: whoever opens packs need not know.
/// </summary>
public sealed class PackStore
{
    const string Prefix = "packs/";
    const string DamagedPrefix = "damaged/";
    readonly DirectoryStore _store;
    readonly string _root;

    // The later generations of each backup's packs, as they were when one of them was first opened.
    readonly ConcurrentDictionary<string, Dictionary<string, int>> _generations = new(StringComparer.Ordinal);

    internal PackStore(DirectoryStore store, string root)
    {
        _store = store;
        _root = root;
    }

    /// <summary>Begins the series of packs that a backup writes.</summary>
    /// <param name="after">The highest number that is taken already, by packs of an earlier backup of the same id.</param>
    public PackSeries Begin(BackupId backup, int after = 0) => new(_store, _root, backup, after);

    /// <summary>Opens a pack, in its highest generation.</summary>
    /// <param name="name">As a manifest names it: <c>20261123T131251/0001</c>.</param>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    public async ValueTask<PackReader> OpenAsync(string name, CancellationToken cancellationToken)
    {
        var owner = name[..Math.Max(0, name.IndexOf('/'))];
        var known = _generations.TryGetValue(owner, out var cached) ? cached : await ReadGenerationsAsync(owner, cancellationToken);
        while (true)
        {
            var pack = new StoredPack(name, known.GetValueOrDefault(name));
            if (await TryOpenAsync(pack, cancellationToken) is { } reader)
            {
                return reader;
            }
            // Either collection has just replaced it, or it is lost.
            known = await ReadGenerationsAsync(owner, cancellationToken);
            if (known.GetValueOrDefault(name) == pack.Generation)
            {
                throw _store.Missing(_root + ObjectOf(pack));
            }
        }
    }

    /// <summary>How many pages a pack claims to hold, without reading its index.</summary>
    /// <param name="name">As a manifest names it.</param>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, NewerRepository.</exception>
    public async ValueTask<int> CountPagesAsync(string name, CancellationToken cancellationToken)
    {
        var owner = name[..Math.Max(0, name.IndexOf('/'))];
        var known = _generations.TryGetValue(owner, out var cached) ? cached : await ReadGenerationsAsync(owner, cancellationToken);
        if (await TryCountPagesAsync(new(name, known.GetValueOrDefault(name)), cancellationToken) is { } pages)
        {
            return pages;
        }
        // Collection has just replaced it.
        using var reader = await OpenAsync(name, cancellationToken);
        return reader.Index.PageCount;
    }

    /// <summary>All generations of all packs, with their stored bytes, in the order of their names.</summary>
    public Task<IReadOnlyList<StoredPack>> ListAsync(CancellationToken cancellationToken) => ListBelowAsync(_root + Prefix, cancellationToken);

    /// <summary>As <see cref="ListAsync"/>, those that one backup has written.</summary>
    public Task<IReadOnlyList<StoredPack>> ListOfAsync(BackupId backup, CancellationToken cancellationToken) => ListBelowAsync($"{_root}{Prefix}{backup}/", cancellationToken);

    /// <summary>The backups whose packs there are, in their order.</summary>
    public async Task<IReadOnlyList<BackupId>> ListOwnersAsync(CancellationToken cancellationToken)
    {
        var owners = new SortedSet<BackupId>();
        foreach (var name in await _store.ListNamesAsync(_root + Prefix, cancellationToken))
        {
            if (StoredPack.TryParse(name[(_root.Length + Prefix.Length)..], 0, out var pack) && BackupId.TryParse(pack.Owner, out var owner))
            {
                owners.Add(owner);
            }
        }
        return [.. owners];
    }

    /// <summary>Removes one generation of a pack, and what says that it is damaged.</summary>
    public async ValueTask DeleteAsync(StoredPack pack, CancellationToken cancellationToken)
    {
        var mark = MarkOf(pack);
        if (await _store.ExistsAsync(mark, cancellationToken))
        {
            await _store.DeleteAsync(mark, cancellationToken);
        }
        await _store.DeleteAsync(_root + ObjectOf(pack), cancellationToken);
    }

    /// <summary>Removes what a backup has written that came to nothing: no manifest may refer to it. Durable when it returns.</summary>
    /// <param name="after">As of <see cref="Begin"/>: packs up to this number are an earlier backup's, and stay.</param>
    public async Task DeleteOfAsync(BackupId backup, int after, CancellationToken cancellationToken)
    {
        foreach (var pack in (await ListOfAsync(backup, cancellationToken)).Where(p => p.Number > after))
        {
            await DeleteAsync(pack, cancellationToken);
        }
    }

    /// <summary>Has no later backup refer to a pack as it is now: its pages are stored again. Durable when it returns.</summary>
    /// <param name="name">As a manifest names it.</param>
    /// <param name="how">What is wrong with it, in a line for people.</param>
    /// <remarks>Reads all of the pack, so that the mark says which of its pages are hurt.</remarks>
    public async Task MarkDamagedAsync(string name, string how, CancellationToken cancellationToken)
    {
        var pack = await NewestAsync(name, cancellationToken);
        var (pages, _) = await FindHurtAsync(pack, cancellationToken);
        // Where it is found sound now, the mark says nothing of pages: whoever calls has seen it hurt.
        await MarkAsync(pack, how, pages is { Count: > 0 } ? pages : null, cancellationToken);
    }

    /// <summary>
    /// Looks at all of a pack that is marked as damaged: the index, the footer, every frame and page. Where they are sound, the mark goes; else it says from now on
    /// which pages are hurt. Durable when it returns.
    /// </summary>
    /// <param name="name">As a manifest names it.</param>
    /// <returns>Whether it is sound.</returns>
    public async Task<bool> RecheckAsync(string name, CancellationToken cancellationToken)
    {
        var pack = await NewestAsync(name, cancellationToken);
        var (pages, how) = await FindHurtAsync(pack, cancellationToken);
        if (how is null)
        {
            await _store.DeleteAsync(MarkOf(pack), cancellationToken);
            return true;
        }
        await MarkAsync(pack, how, pages, cancellationToken);
        return false;
    }

    /// <summary>Reads all of a pack.</summary>
    /// <param name="name">As a manifest names it.</param>
    /// <returns>The pages that cannot be had, null for all, and what is wrong; with null for that, the pack is sound.</returns>
    internal async Task<(PageSet? Pages, string? How)> FindHurtAsync(string name, CancellationToken cancellationToken) =>
        await FindHurtAsync(await NewestAsync(name, cancellationToken), cancellationToken);

    /// <summary>The packs that are known to be damaged as they are now, as manifests name them, and which pages of each; null where the mark does not say that.</summary>
    internal async Task<Dictionary<string, PageSet?>> ReadMarksAsync(CancellationToken cancellationToken)
    {
        var marks = new Dictionary<string, PageSet?>(StringComparer.Ordinal);
        foreach (var pack in await ListMarkedAsync(cancellationToken))
        {
            // One that has vanished meanwhile was taken away, since the pack is sound again or gone.
            if (await _store.TryGetAsync(MarkOf(pack), Record.MaxPayloadLength, cancellationToken) is { } bytes)
            {
                marks.Add(pack.Name, DamageMark.PagesOf(MarkOf(pack), pack, bytes));
            }
        }
        return marks;
    }

    /// <summary>The packs that are known to be damaged as they are now, as manifests name them.</summary>
    public async Task<IReadOnlySet<string>> ListDamagedAsync(CancellationToken cancellationToken) =>
        new SortedSet<string>((await ListMarkedAsync(cancellationToken)).Select(static p => p.Name), StringComparer.Ordinal);

    /// <summary>Opens one generation of a pack; null when it is not there.</summary>
    public ValueTask<PackReader?> TryOpenAsync(StoredPack pack, CancellationToken cancellationToken) =>
        PackReader.TryOpenAsync(_store, _root, ObjectOf(pack), cancellationToken);

    /// <summary>How many pages one generation of a pack claims to hold; null when it is not there.</summary>
    internal ValueTask<int?> TryCountPagesAsync(StoredPack pack, CancellationToken cancellationToken) =>
        PackReader.TryCountPagesAsync(_store, _root, ObjectOf(pack), cancellationToken);

    /// <summary>Puts a pack's next generation, with fewer pages. It is durable when this returns; the one before stays.</summary>
    /// <param name="pack">The generation to take them from.</param>
    /// <param name="newCodec">Makes the codec.</param>
    /// <exception cref="BarkeepException">Damaged, ObjectMissing, NewerRepository: not all that is needed can be read, and nothing has been put. DiskFull, Storage.</exception>
    public async Task<StoredPack> RewriteAsync(StoredPack pack, PageSet needed, Func<FrameCodec> newCodec, CancellationToken cancellationToken)
    {
        using var from = await TryOpenAsync(pack, cancellationToken) ?? throw _store.Missing(_root + ObjectOf(pack));
        var next = pack with { Generation = pack.Generation + 1 };
        using var to = await PackWriter.CreateAsync(_store, _root, ObjectOf(next), PackIndex.SparseVersion, cancellationToken);
        using var rewriter = new PackRewriter(pack, from, to, needed, newCodec());
        await rewriter.RunAsync(cancellationToken);
        await to.FinishAsync(cancellationToken);
        return next with { StoredLength = to.StoredLength };
    }

    internal static string ObjectOf(StoredPack pack) => $"{Prefix}{pack}";

    async Task<IReadOnlyList<StoredPack>> ListBelowAsync(string prefix, CancellationToken cancellationToken)
    {
        var packs = new List<StoredPack>();
        foreach (var found in await _store.ListAsync(prefix, cancellationToken))
        {
            if (StoredPack.TryParse(found.Name[(_root.Length + Prefix.Length)..], found.Length, out var pack))
            {
                packs.Add(pack);
            }
        }
        return packs;
    }

    async Task<IReadOnlyList<StoredPack>> ListMarkedAsync(CancellationToken cancellationToken)
    {
        var marked = new List<StoredPack>();
        foreach (var name in await _store.ListNamesAsync(_root + DamagedPrefix, cancellationToken))
        {
            // A later generation was only put because all that is needed was whole.
            if (StoredPack.TryParse(name[(_root.Length + DamagedPrefix.Length)..], 0, out var pack) && await NewestAsync(pack.Name, cancellationToken) == pack)
            {
                marked.Add(pack);
            }
        }
        return marked;
    }

    string MarkOf(StoredPack pack) => $"{_root}{DamagedPrefix}{pack}";

    async Task MarkAsync(StoredPack pack, string how, PageSet? pages, CancellationToken cancellationToken)
    {
        using var writer = await _store.CreateAsync(MarkOf(pack), cancellationToken);
        await writer.WriteAsync(DamageMark.Seal(pack, how, pages), cancellationToken);
        await writer.SupersedeAsync(cancellationToken);
    }

    async Task<(PageSet? Pages, string? How)> FindHurtAsync(StoredPack pack, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = await TryOpenAsync(pack, cancellationToken) ?? throw _store.Missing(_root + ObjectOf(pack));
            using var check = new FrameCheck();
            var hurt = new PageSet();
            string? how = null;
            for (var i = 0; i < reader.Index.Frames.Count; i++)
            {
                how = (await check.RunAsync(reader, i, hurt, cancellationToken))?.How ?? how;
            }
            return (hurt, how);
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing or ErrorKind.Storage)
        {
            return (null, e.Message);
        }
    }

    async Task<StoredPack> NewestAsync(string name, CancellationToken cancellationToken) =>
        new(name, (await ReadGenerationsAsync(name[..name.IndexOf('/')], cancellationToken)).GetValueOrDefault(name));

    async Task<Dictionary<string, int>> ReadGenerationsAsync(string owner, CancellationToken cancellationToken)
    {
        var later = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in await _store.ListNamesAsync($"{_root}{Prefix}{owner}/", cancellationToken))
        {
            if (StoredPack.TryParse(name[(_root.Length + Prefix.Length)..], 0, out var pack) && pack.Generation > later.GetValueOrDefault(pack.Name))
            {
                later[pack.Name] = pack.Generation;
            }
        }
        _generations[owner] = later;
        return later;
    }
}
