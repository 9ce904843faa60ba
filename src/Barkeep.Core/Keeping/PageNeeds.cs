using Barkeep.Common;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Keeping;

/// <summary>What backups need of packs, as their manifests say.</summary>
public sealed class PageNeeds
{
    readonly Dictionary<string, PageSet> _packs = new(StringComparer.Ordinal);
    readonly List<BackupInfo> _backups = [];

    /// <summary>Each pack of which a page is needed, and which pages.</summary>
    public IReadOnlyDictionary<string, PageSet> Packs => _packs;

    /// <summary>The backups.</summary>
    public IReadOnlyList<BackupInfo> Backups => _backups;

    /// <summary>The first backup whose manifest cannot be read, and why: it could refer to any page, so none may be removed. Null when all were read.</summary>
    internal (BackupId Id, string Reason)? Unread { get; private set; }

    /// <summary>Where the oldest backup begins; null without backups.</summary>
    internal Lsn? OldestBegin => _backups.Count == 0 ? null : _backups.Min(static b => b.BeginLsn);

    /// <summary>Reads the backups' manifests, up to one that cannot be read. One that has been deleted meanwhile needs nothing.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Storage.</exception>
    internal static async Task<PageNeeds> ReadAsync(Lineage lineage, IEnumerable<BackupId> backups, CancellationToken cancellationToken)
    {
        var needs = new PageNeeds();
        foreach (var id in backups)
        {
            try
            {
                needs.Add(await lineage.Backups.ReadManifestAsync(id, cancellationToken));
            }
            catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath)
            {
                needs.Unread = (id, e.Message);
                return needs;
            }
            catch (BarkeepException e) when (e.Kind == ErrorKind.ObjectMissing)
            {
                // Deleted since it was listed.
            }
        }
        return needs;
    }

    /// <summary>Adds what a backup needs.</summary>
    public void Add(Manifest manifest)
    {
        foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros))
        {
            var pack = manifest.Packs[run.Pack];
            if (!_packs.TryGetValue(pack, out var pages))
            {
                _packs.Add(pack, pages = new());
            }
            pages.Add(run.Ordinal, run.Count);
        }
        _backups.Add(manifest.Info);
    }
}
