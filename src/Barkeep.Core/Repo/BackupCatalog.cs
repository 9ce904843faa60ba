using System.Globalization;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>A lineage's backups: which there are, in what state, and the steps that lead from one state to the next, each durable when its method returns.</summary>
public sealed class BackupCatalog
{
    const int Version = 1;

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
        var backups = new List<BackupRecord>();
        var names = await _store.ListAsync(_prefix, cancellationToken);
        foreach (var group in names.GroupBy(o => o.Name[_prefix.Length..].Split('/')[0]))
        {
            if (BackupId.TryParse(group.Key, out var id))
            {
                var parts = group.Select(o => o.Name[(_prefix.Length + group.Key.Length + 1)..]).ToHashSet(StringComparer.Ordinal);
                backups.Add(await ReadAsync(id, parts, cancellationToken));
            }
        }
        backups.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return backups;
    }

    /// <summary>One backup; null when there is none of that id.</summary>
    public async Task<BackupRecord?> TryGetAsync(BackupId id, CancellationToken cancellationToken)
    {
        var names = await _store.ListAsync($"{_prefix}{id}/", cancellationToken);
        return names.Count == 0
            ? null
            : await ReadAsync(id, names.Select(static o => o.Name[(o.Name.LastIndexOf('/') + 1)..]).ToHashSet(StringComparer.Ordinal), cancellationToken);
    }

    /// <summary>Claims an id for a backup that begins.</summary>
    /// <returns>False when the id is taken.</returns>
    public ValueTask<bool> StartAsync(BackupId id, DateTimeOffset now, string program, CancellationToken cancellationToken) =>
        _store.PutAsync(NameOf(id, "started"), Record.Seal("started", Version, new(now, Environment.MachineName, Environment.ProcessId, program), RepoJson.Default.StartedPayload), cancellationToken);

    /// <summary>Puts the manifest: the backup exists when it returns. Its packs must be durable before.</summary>
    /// <exception cref="BarkeepException">Busy when there is one already; DiskFull; Storage.</exception>
    public async Task CommitAsync(BackupId id, Manifest manifest, CancellationToken cancellationToken)
    {
        if (!await ManifestObject.PutAsync(_store, NameOf(id, "manifest"), manifest, cancellationToken))
        {
            throw new BarkeepException(ErrorKind.Busy, $"backup {id} has a manifest already", "another process has taken it");
        }
    }

    /// <summary>Records that all WAL from the backup's begin to its end is in the repository.</summary>
    public async Task CompleteAsync(BackupId id, DateTimeOffset now, CancellationToken cancellationToken) =>
        await _store.PutAsync(NameOf(id, "complete"), Record.Seal("complete", Version, new(now), RepoJson.Default.CompletePayload), cancellationToken);

    /// <summary>Records why a backup ended without a manifest.</summary>
    public async Task FailAsync(BackupId id, string reason, ErrorKind kind, DateTimeOffset now, CancellationToken cancellationToken) =>
        await _store.PutAsync(NameOf(id, "failed"), Record.Seal("failed", Version, new(now, reason, kind.ToString()), RepoJson.Default.FailedPayload), cancellationToken);

    /// <summary>Reads and checks a backup's whole manifest.</summary>
    /// <exception cref="BarkeepException">ObjectMissing, Damaged, HostilePath, NewerRepository.</exception>
    public async Task<Manifest> ReadManifestAsync(BackupId id, CancellationToken cancellationToken)
    {
        var manifest = await ManifestObject.ReadAsync(_store, NameOf(id, "manifest"), cancellationToken);
        CheckIdentity(id, manifest.Info);
        return manifest;
    }

    /// <summary>Removes a backup from the catalog: manifest first, so that nothing half-deleted is ever taken for a backup. Its packs are the caller's next step, <see cref="ForgetAsync"/> the last.</summary>
    public async Task WithdrawAsync(BackupId id, CancellationToken cancellationToken)
    {
        foreach (var part in (string[])["manifest", "complete", "failed"])
        {
            await _store.DeleteAsync(NameOf(id, part), cancellationToken);
        }
    }

    /// <summary>Gives the id up, once nothing of the backup is left.</summary>
    public ValueTask ForgetAsync(BackupId id, CancellationToken cancellationToken) => _store.DeleteAsync(NameOf(id, "started"), cancellationToken);

    async Task<BackupRecord> ReadAsync(BackupId id, HashSet<string> parts, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadSoundAsync(id, parts, cancellationToken);
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Damaged)
        {
            return new(id, BackupState.Damaged, null, null, e.Message);
        }
    }

    async Task<BackupRecord> ReadSoundAsync(BackupId id, HashSet<string> parts, CancellationToken cancellationToken)
    {
        if (parts.Contains("manifest") && await ManifestObject.TryReadInfoAsync(_store, NameOf(id, "manifest"), cancellationToken) is { } info)
        {
            CheckIdentity(id, info);
            return new(id, parts.Contains("complete") ? BackupState.Done : BackupState.WaitingForWals, info, info.BeginTime, null);
        }
        var started = parts.Contains("started") ? await ReadStartedAsync(id, cancellationToken) : null;
        var failed = parts.Contains("failed") ? await ReadFailedAsync(id, cancellationToken) : null;
        return new(id, failed is null ? BackupState.Started : BackupState.Failed, null, started?.StartedAt, failed?.Reason);
    }

    async Task<Payloads.StartedPayload?> ReadStartedAsync(BackupId id, CancellationToken cancellationToken)
    {
        var name = NameOf(id, "started");
        var bytes = await _store.TryGetAsync(name, Record.MaxPayloadLength, cancellationToken);
        return bytes is null ? null : Record.Open(name, "started", Version, bytes, RepoJson.Default.StartedPayload);
    }

    async Task<Payloads.FailedPayload?> ReadFailedAsync(BackupId id, CancellationToken cancellationToken)
    {
        var name = NameOf(id, "failed");
        var bytes = await _store.TryGetAsync(name, Record.MaxPayloadLength, cancellationToken);
        return bytes is null ? null : Record.Open(name, "failed", Version, bytes, RepoJson.Default.FailedPayload);
    }

    void CheckIdentity(BackupId id, BackupInfo info)
    {
        if (info.BackupId != id.ToString() || info.SystemId != _systemId)
        {
            throw Record.Damaged(NameOf(id, "manifest"), $"it is the manifest of backup {info.BackupId} of system {info.SystemId}");
        }
        if (info.Contradiction is { } contradiction)
        {
            throw Record.Damaged(NameOf(id, "manifest"), contradiction);
        }
    }

    string NameOf(BackupId id, string part) => $"{_prefix}{id}/{part}";
}
