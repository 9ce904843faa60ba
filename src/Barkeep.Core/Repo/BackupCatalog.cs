using System.Globalization;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>A lineage's backups: which there are, in what state, and the steps that lead from one state to the next, each durable when its method returns.</summary>
public sealed class BackupCatalog
{
    const int Version = 1;

    /// <summary>A backup's objects by name, in the order in which they are removed.</summary>
    static readonly (BackupParts Part, string Name)[] Objects =
    [
        (BackupParts.Started, "started"),
        (BackupParts.Manifest, "manifest"),
        (BackupParts.Complete, "complete"),
        (BackupParts.Failed, "failed"),
        (BackupParts.KeptStandalone, "keep.standalone"),
        (BackupParts.KeptFull, "keep.full"),
    ];

    readonly DirectoryStore _store;
    readonly string _prefix;
    readonly string _systemId;

    internal BackupCatalog(DirectoryStore store, string root, ClusterIdentity identity)
    {
        _store = store;
        _prefix = $"{root}backups/";
        _systemId = identity.SystemId.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>All backups, oldest first. One that is damaged says so in its state and hides no other.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Storage.</exception>
    public async Task<IReadOnlyList<BackupRecord>> ListAsync(CancellationToken cancellationToken)
    {
        var listed = await ListPartsAsync(cancellationToken);
        var backups = new BackupRecord?[listed.Count];
        await Parallel.ForAsync(0, listed.Count, cancellationToken, async (i, token) => backups[i] = await TryReadAsync(listed[i].Id, listed[i].Parts, token));
        return [.. backups.OfType<BackupRecord>()];
    }

    /// <summary>Which objects there are of each backup, oldest first; reads none of them.</summary>
    /// <remarks>Where neither manifest, started nor failed is left, a deletion was cut off: that is no backup.</remarks>
    public async Task<IReadOnlyList<(BackupId Id, BackupParts Parts)>> ListPartsAsync(CancellationToken cancellationToken)
    {
        var backups = new SortedDictionary<BackupId, BackupParts>();
        foreach (var name in await _store.ListNamesAsync(_prefix, cancellationToken))
        {
            var slash = name.IndexOf('/', _prefix.Length);
            if (slash > 0 && BackupId.TryParse(name.AsSpan(_prefix.Length, slash - _prefix.Length), out var id))
            {
                backups[id] = backups.GetValueOrDefault(id) | PartOf(name[(slash + 1)..]);
            }
        }
        return [.. backups.Select(static b => (b.Key, b.Value))];
    }

    /// <summary>One backup; null when there is none of that id.</summary>
    public async Task<BackupRecord?> TryGetAsync(BackupId id, CancellationToken cancellationToken)
    {
        var prefix = $"{_prefix}{id}/";
        var parts = BackupParts.None;
        foreach (var name in await _store.ListNamesAsync(prefix, cancellationToken))
        {
            parts |= PartOf(name[prefix.Length..]);
        }
        return await TryReadAsync(id, parts, cancellationToken);
    }

    /// <summary>Claims an id for a backup that begins.</summary>
    /// <returns>False when the id is taken.</returns>
    public ValueTask<bool> StartAsync(BackupId id, DateTimeOffset now, string program, CancellationToken cancellationToken) =>
        _store.PutAsync(NameOf(id, BackupParts.Started), Record.Seal("started", Version, new(now, Environment.MachineName, Environment.ProcessId, program), RepoJson.Default.StartedPayload), cancellationToken);

    /// <summary>Puts the manifest: the backup exists when it returns. Its packs must be durable before.</summary>
    /// <exception cref="BarkeepException">Busy when there is one already; DiskFull; Storage.</exception>
    public async Task CommitAsync(BackupId id, Manifest manifest, CancellationToken cancellationToken)
    {
        if (!await ManifestObject.PutAsync(_store, NameOf(id, BackupParts.Manifest), manifest, cancellationToken))
        {
            throw new BarkeepException(ErrorKind.Busy, $"backup {id} has a manifest already", "another process has taken it");
        }
    }

    /// <summary>Records that all WAL from the backup's begin to its end is in the repository.</summary>
    public async Task CompleteAsync(BackupId id, DateTimeOffset now, CancellationToken cancellationToken) =>
        await _store.PutAsync(NameOf(id, BackupParts.Complete), Record.Seal("complete", Version, new(now), RepoJson.Default.CompletePayload), cancellationToken);

    /// <summary>Records why a backup ended without a manifest, or that with the WAL that was received the one that it has cannot be restored.</summary>
    public async Task FailAsync(BackupId id, string reason, ErrorKind kind, DateTimeOffset now, CancellationToken cancellationToken) =>
        await _store.PutAsync(NameOf(id, BackupParts.Failed), Record.Seal("failed", Version, new(now, reason, kind.ToString()), RepoJson.Default.FailedPayload), cancellationToken);

    /// <summary>
    /// Keeps a backup, or lets it go again. Durable when it returns; cut off before, the backup is kept as it was, or as it is to be, or with more.
    /// Who removes backups must not do so meanwhile (<c>Locations.CatalogLock</c>).
    /// </summary>
    /// <param name="target">Null: it is kept no more.</param>
    public async Task KeepAsync(BackupId id, KeepTarget? target, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (target is { } wanted)
        {
            await _store.PutAsync(NameOf(id, PartOf(wanted)), Record.Seal("keep", Version, new(now), RepoJson.Default.KeepPayload), cancellationToken);
        }
        foreach (var other in Enum.GetValues<KeepTarget>().Where(t => t != target))
        {
            await _store.DeleteAsync(NameOf(id, PartOf(other)), cancellationToken);
        }
    }

    /// <summary>Whether a backup has failed: one that was seen to be complete has not.</summary>
    public static bool HasFailed(BackupParts parts) => (parts & (BackupParts.Failed | BackupParts.Complete)) == BackupParts.Failed;

    /// <summary>Whether a backup has failed since the WAL that was received is not the server's: with a manifest for nothing else. A record that cannot be read may say so.</summary>
    public async Task<bool> HasFoundOtherWalAsync(BackupId id, BackupParts parts, CancellationToken cancellationToken)
    {
        try
        {
            return parts.HasFlag(BackupParts.Manifest) || (await ReadFailedAsync(id, cancellationToken))?.Kind == nameof(ErrorKind.WalDiverged);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return true;
        }
    }

    /// <summary>With what a backup is kept; with both marks, which a change that was cut off leaves, fully.</summary>
    public static KeepTarget? KeepOf(BackupParts parts) => parts switch
    {
        _ when parts.HasFlag(BackupParts.KeptFull) => KeepTarget.Full,
        _ when parts.HasFlag(BackupParts.KeptStandalone) => KeepTarget.Standalone,
        _ => null,
    };

    /// <summary>Reads and checks a backup's whole manifest.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository.</exception>
    public async Task<Manifest> ReadManifestAsync(BackupId id, CancellationToken cancellationToken)
    {
        var manifest = await ManifestObject.ReadAsync(_store, NameOf(id, BackupParts.Manifest), cancellationToken);
        CheckIdentity(id, manifest.Info);
        return manifest;
    }

    /// <summary><see cref="Manifest.Hash"/> of a backup's manifest, which is not read for it; null when there is none.</summary>
    internal Task<UInt128?> TryGetManifestHashAsync(BackupId id, CancellationToken cancellationToken) =>
        ManifestObject.TryReadHashAsync(_store, NameOf(id, BackupParts.Manifest), cancellationToken);

    /// <summary>The bytes of a backup's manifest as the object holds them, whole and checked, and what they say.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository.</exception>
    internal async Task<(byte[] Bytes, Manifest Manifest)> GetManifestAsync(BackupId id, CancellationToken cancellationToken)
    {
        var name = NameOf(id, BackupParts.Manifest);
        var bytes = await _store.TryGetAsync(name, ExportHead.MaxManifestLength, cancellationToken) ?? throw _store.Missing(name);
        return (bytes, ParseManifest(id, name, bytes));
    }

    /// <summary>Reads a manifest of this lineage that came from elsewhere.</summary>
    /// <param name="name">Where it is, for messages.</param>
    /// <exception cref="BarkeepException">Damaged, HostilePath, NewerRepository.</exception>
    internal Manifest ParseManifest(BackupId id, string name, byte[] bytes)
    {
        var manifest = ManifestObject.Parse(name, bytes);
        CheckIdentity(id, manifest.Info);
        return manifest;
    }

    /// <summary>
    /// Removes a backup. It is gone when its manifest is, or what records its failure; cut off before, it is there as it was, and
    /// never in between. Its packs are garbage then, for collection. Durable when it returns.
    /// </summary>
    public async Task RemoveAsync(BackupId id, CancellationToken cancellationToken)
    {
        foreach (var (part, _) in Objects)
        {
            await _store.DeleteAsync(NameOf(id, part), cancellationToken);
        }
    }

    /// <summary>When it returns, what these no longer have is gone for good, and so are the backups that a listing did not show any more.</summary>
    public async Task SettleAsync(IEnumerable<BackupId> backups, CancellationToken cancellationToken)
    {
        foreach (var id in backups)
        {
            await _store.SettleAsync($"{_prefix}{id}/", cancellationToken);
        }
        await _store.SettleAsync(_prefix, cancellationToken);
    }

    async Task<BackupRecord?> TryReadAsync(BackupId id, BackupParts parts, CancellationToken cancellationToken)
    {
        try
        {
            return await TryReadSoundAsync(id, parts, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return new(id, BackupState.Damaged, null, null, e.Message) { Keep = KeepOf(parts) };
        }
    }

    async Task<BackupRecord?> TryReadSoundAsync(BackupId id, BackupParts parts, CancellationToken cancellationToken)
    {
        if (parts.HasFlag(BackupParts.Manifest) && !HasFailed(parts))
        {
            // One that has vanished since it was listed was deleted.
            if (await ManifestObject.TryReadInfoAsync(_store, NameOf(id, BackupParts.Manifest), cancellationToken) is not { } info)
            {
                return null;
            }
            CheckIdentity(id, info);
            return new(id, parts.HasFlag(BackupParts.Complete) ? BackupState.Done : BackupState.WaitingForWals, info, info.BeginTime, null) { Keep = KeepOf(parts) };
        }
        if ((parts & (BackupParts.Started | BackupParts.Failed)) == 0)
        {
            return null;
        }
        // With a manifest too it is no backup to anybody; what it holds stays until it is deleted.
        var started = parts.HasFlag(BackupParts.Started) ? await ReadStartedAsync(id, cancellationToken) : null;
        var failed = parts.HasFlag(BackupParts.Failed) ? await ReadFailedAsync(id, cancellationToken) : null;
        return new(id, parts.HasFlag(BackupParts.Failed) ? BackupState.Failed : BackupState.Started, null, started?.StartedAt, failed?.Reason);
    }

    async Task<Payloads.StartedPayload?> ReadStartedAsync(BackupId id, CancellationToken cancellationToken)
    {
        var name = NameOf(id, BackupParts.Started);
        var bytes = await _store.TryGetAsync(name, Record.MaxPayloadLength, cancellationToken);
        return bytes is null ? null : Record.Open(name, "started", Version, bytes, RepoJson.Default.StartedPayload);
    }

    async Task<Payloads.FailedPayload?> ReadFailedAsync(BackupId id, CancellationToken cancellationToken)
    {
        var name = NameOf(id, BackupParts.Failed);
        var bytes = await _store.TryGetAsync(name, Record.MaxPayloadLength, cancellationToken);
        return bytes is null ? null : Record.Open(name, "failed", Version, bytes, RepoJson.Default.FailedPayload);
    }

    void CheckIdentity(BackupId id, BackupInfo info)
    {
        if (info.BackupId != id.ToString() || info.SystemId != _systemId)
        {
            throw Record.Damaged(NameOf(id, BackupParts.Manifest), $"it is the manifest of backup {info.BackupId} of system {info.SystemId}");
        }
        if (info.Contradiction is { } contradiction)
        {
            throw Record.Damaged(NameOf(id, BackupParts.Manifest), contradiction);
        }
    }

    static BackupParts PartOf(string name) => Array.Find(Objects, o => o.Name == name).Part;

    static BackupParts PartOf(KeepTarget target) => target == KeepTarget.Full ? BackupParts.KeptFull : BackupParts.KeptStandalone;

    string NameOf(BackupId id, BackupParts part) => $"{_prefix}{id}/{Array.Find(Objects, o => o.Part == part).Name}";
}
