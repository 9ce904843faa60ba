using Barkeep.Storage;

namespace Barkeep.Repo;

/// <summary>One database cluster in a repository: its WAL and its backups.</summary>
public sealed class Lineage
{
    internal Lineage(DirectoryStore store, int number, ClusterIdentity identity)
    {
        Number = number;
        Identity = identity;
        var root = $"{identity.SystemId}/";
        Wal = new WalArchive(store, root, identity);
        Backups = new BackupCatalog(store, root, identity);
        Packs = new PackStore(store, root);
    }

    /// <summary>1 for the first cluster that this server was; the highest is the present one.</summary>
    public int Number { get; }

    public ClusterIdentity Identity { get; }

    public WalArchive Wal { get; }

    public BackupCatalog Backups { get; }

    public PackStore Packs { get; }

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
