using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>One database cluster in a repository: its WAL and its backups.</summary>
public sealed class Lineage
{
    const int IdVersion = 1;

    readonly DirectoryStore _store;
    readonly string _root;

    internal Lineage(DirectoryStore store, int number, ClusterIdentity identity)
    {
        _store = store;
        _root = $"{identity.SystemId}/";
        Number = number;
        Identity = identity;
        Wal = new WalArchive(store, _root, identity);
        Backups = new BackupCatalog(store, _root, identity);
        Packs = new PackStore(store, _root);
    }

    /// <summary>1 for the first cluster that this server was; the highest is the present one.</summary>
    public int Number { get; }

    public ClusterIdentity Identity { get; }

    public WalArchive Wal { get; }

    public BackupCatalog Backups { get; }

    public PackStore Packs { get; }

    /// <summary>Removes empty directories, which deletions that were cut off have left.</summary>
    public ValueTask SweepEmptyAsync(CancellationToken cancellationToken) => _store.SweepEmptyAsync(_root, cancellationToken);

    /// <summary>
    /// Begins a backup under an id that none has had before. Packs of one that was deleted may be needed by others, so the names of packs count too; and the newest id that was
    /// ever given is on record, since its backup may be deleted within the second.
    /// </summary>
    /// <param name="program">What takes it.</param>
    public async Task<BackupId> ClaimBackupAsync(DateTimeOffset now, string program, CancellationToken cancellationToken)
    {
        while (true)
        {
            var given = await ListGivenAsync(cancellationToken);
            var known = (await Backups.ListPartsAsync(cancellationToken)).Select(static b => b.Id).Concat(await Packs.ListOwnersAsync(cancellationToken)).Concat(given).ToList();
            var id = BackupId.Next(now, known.Count > 0 ? known.Max() : null);
            await _store.PutAsync(GivenPrefix + id, Record.Seal("id", IdVersion, new(now), RepoJson.Default.IdPayload), cancellationToken);
            if (await Backups.StartAsync(id, now, program, cancellationToken))
            {
                foreach (var older in given)
                {
                    await _store.DeleteAsync(GivenPrefix + older, cancellationToken);
                }
                return id;
            }
        }
    }

    string GivenPrefix => $"{_root}ids/";

    async Task<IReadOnlyList<BackupId>> ListGivenAsync(CancellationToken cancellationToken)
    {
        var given = new List<BackupId>();
        foreach (var name in await _store.ListNamesAsync(GivenPrefix, cancellationToken))
        {
            if (BackupId.TryParse(name.AsSpan(GivenPrefix.Length), out var id))
            {
                given.Add(id);
            }
        }
        return given;
    }
}
