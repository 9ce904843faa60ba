using Barkeep.Common;
using Barkeep.Packs;

namespace Barkeep.Repo;

/// <summary>Which pages of a lineage's packs are known to be damaged, and which backups need them. Where no pack is marked, no manifest is read.</summary>
public sealed class HurtPacks
{
    const int ShownPacks = 3;

    readonly Lineage _lineage;
    readonly Dictionary<string, PageSet?> _hurt;

    HurtPacks(Lineage lineage, Dictionary<string, PageSet?> hurt) => (_lineage, _hurt) = (lineage, hurt);

    /// <summary>The marked packs, as manifests name them.</summary>
    public IReadOnlySet<string> Packs => new SortedSet<string>(_hurt.Keys, StringComparer.Ordinal);

    /// <summary>Reads the marks.</summary>
    /// <exception cref="BarkeepException">NewerRepository, Storage.</exception>
    public static async Task<HurtPacks> ReadAsync(Lineage lineage, CancellationToken cancellationToken) =>
        new(lineage, await lineage.Packs.ReadMarksAsync(cancellationToken));

    /// <summary>Has marks that do not say which pages are hurt, as those of older versions, say it: reads these packs, which takes its time.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var pack in _hurt.Where(static h => h.Value is null).Select(static h => h.Key).ToList())
        {
            _hurt[pack] = (await _lineage.Packs.FindHurtAsync(pack, cancellationToken)).Pages;
        }
    }

    /// <summary>The packs of which a backup needs damaged pages; of one whose mark does not say which, any. None for a backup whose manifest cannot be read.</summary>
    public async Task<IReadOnlyList<string>> FindAsync(BackupId backup, CancellationToken cancellationToken)
    {
        if (_hurt.Count == 0)
        {
            return [];
        }
        try
        {
            return FindIn(await _lineage.Backups.ReadManifestAsync(backup, cancellationToken));
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.HostilePath or ErrorKind.ObjectMissing)
        {
            return [];
        }
    }

    /// <summary>Those of some backups that need damaged pages.</summary>
    public async Task<HashSet<BackupId>> FindBackupsAsync(IEnumerable<BackupId> backups, CancellationToken cancellationToken)
    {
        var hurt = new HashSet<BackupId>();
        foreach (var backup in backups)
        {
            if ((await FindAsync(backup, cancellationToken)).Count > 0)
            {
                hurt.Add(backup);
            }
        }
        return hurt;
    }

    /// <summary>In words: <c>needs damaged pages of pack 20261123T131251/0001</c>.</summary>
    /// <param name="packs">As of <see cref="FindAsync"/>.</param>
    public static string Tell(IReadOnlyList<string> packs) =>
        $"needs damaged pages of pack{(packs.Count == 1 ? "" : "s")} {string.Join(", ", packs.Take(ShownPacks))}{(packs.Count > ShownPacks ? $" and {packs.Count - ShownPacks} more" : "")}";

    IReadOnlyList<string> FindIn(Manifest manifest)
    {
        var isMarked = manifest.Packs.Select(_hurt.ContainsKey).ToArray();
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var run in manifest.Entries.SelectMany(static e => e.Runs).Where(r => !r.IsZeros && isMarked[r.Pack]))
        {
            var pack = manifest.Packs[run.Pack];
            if (_hurt[pack] is not { } pages || pages.ContainsAny(run.Ordinal, run.Count))
            {
                found.Add(pack);
                isMarked[run.Pack] = false;
            }
        }
        return [.. found];
    }
}
