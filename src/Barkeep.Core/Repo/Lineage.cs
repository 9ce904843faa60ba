using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>One database cluster in a repository: its WAL and its backups.</summary>
public sealed class Lineage
{
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

    /// <summary>Begins a backup under a new id. The packs of one that was deleted may be needed by others, so the names of packs count too: none is ever given again.</summary>
    /// <param name="program">What takes it.</param>
    public async Task<BackupId> ClaimBackupAsync(DateTimeOffset now, string program, CancellationToken cancellationToken)
    {
        while (true)
        {
            var known = (await Backups.ListPartsAsync(cancellationToken)).Select(static b => b.Id).Concat(await Packs.ListOwnersAsync(cancellationToken)).ToList();
            var id = BackupId.Next(now, known.Count > 0 ? known.Max() : null);
            if (await Backups.StartAsync(id, now, program, cancellationToken))
            {
                return id;
            }
        }
    }
}
