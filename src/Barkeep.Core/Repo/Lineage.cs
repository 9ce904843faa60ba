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
}
