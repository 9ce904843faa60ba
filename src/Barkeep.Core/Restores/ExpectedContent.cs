using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>What belongs into a restored directory, and into the directories that tablespaces are mapped to.</summary>
sealed class ExpectedContent
{
    // PostgreSQL takes it ill when one of these is missing (initdb.c, subdirs).
    public static readonly IReadOnlyList<string> StandardDirectories =
    [
        "base", "global", "pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_logical/mappings", "pg_logical/snapshots", "pg_multixact",
        "pg_multixact/members", "pg_multixact/offsets", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp",
        "pg_subtrans", "pg_tblspc", "pg_twophase", "pg_wal", "pg_wal/archive_status", "pg_xact",
    ];

    readonly Dictionary<string, Expected>[] _roots;
    readonly string _originals;

    public ExpectedContent(RestoreSource source, TargetPlaces places, IReadOnlyList<TablespacePlacement> tablespaces)
    {
        _roots = [.. places.Roots.Select(static _ => new Dictionary<string, Expected>(StringComparer.Ordinal))];
        _originals = RestoredConfiguration.UnusedName(source.Manifest, RestoredConfiguration.Originals) + "/";
        var main = _roots[0];
        AddMade(main, source);
        foreach (var path in StandardDirectories)
        {
            main[path] = new(ExpectedKind.Directory);
        }
        for (var i = 0; i < source.Manifest.Entries.Count; i++)
        {
            Add(source.Manifest.Entries[i], i, places);
        }
        foreach (var placement in tablespaces)
        {
            main[placement.Link] = new(ExpectedKind.Link, Destination: placement.LinkDestination);
            if (placement.IsInside)
            {
                main[placement.Directory] = new(ExpectedKind.Directory);
                main[Path.GetDirectoryName(placement.Directory)!] = new(ExpectedKind.Directory);
            }
        }
        main[RestoreMarker.FileName] = new(ExpectedKind.Own);
        main[RestoreRecord.FileName] = new(ExpectedKind.Own);
        main[ManifestCheck.ControlFile] = new(ExpectedKind.Anew);
    }

    /// <summary>What belongs at a path in a root; null when nothing does.</summary>
    public Expected? At(int root, string path) =>
        _roots[root].TryGetValue(path, out var expected) ? expected
        : root == 0 && (path + "/").StartsWith(_originals, StringComparison.Ordinal) ? new(ExpectedKind.Anew)
        : null;

    // In the order in which a later one counts: the backup's own files, where it has them, are files of pages.
    static void AddMade(Dictionary<string, Expected> main, RestoreSource source)
    {
        foreach (var name in (string[])[RecoveryPlan.RecoverySignal, RecoveryPlan.StandbySignal, ConfFiles.Main, ConfFiles.Auto, "pg_hba.conf", "pg_ident.conf"])
        {
            main[name] = new(ExpectedKind.Anew);
        }
        foreach (var name in source.Placed.Parts.Select(static p => p.Segment.Name.ToString()).Concat(source.Received.Histories.Keys.Select(static t => t.HistoryFileName)))
        {
            main[$"pg_wal/{name}"] = new(ExpectedKind.Anew);
            main[$"pg_wal/archive_status/{name}.done"] = new(ExpectedKind.Anew);
        }
    }

    void Add(ManifestEntry entry, int index, TargetPlaces places)
    {
        if (entry.Kind == ManifestEntryKind.External)
        {
            return;
        }
        var (root, path) = places.Locate(entry.Path);
        if (path.Length > 0)
        {
            _roots[root][path] = entry.Kind switch
            {
                ManifestEntryKind.Directory => new(ExpectedKind.Directory),
                ManifestEntryKind.File => new(ExpectedKind.File, index),
                _ => new(ExpectedKind.Anew),
            };
        }
    }

    /// <param name="Entry">Of the manifest, for a file.</param>
    /// <param name="Destination">What a link holds.</param>
    public readonly record struct Expected(ExpectedKind Kind, int Entry = -1, string? Destination = null);
}
