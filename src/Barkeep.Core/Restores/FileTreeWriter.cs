using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Creates a backup's directories, links, and files of full length; their pages come later.</summary>
sealed class FileTreeWriter(Manifest manifest, RestorePlan plan, TargetLayout layout)
{
    // PostgreSQL takes it ill when one of these is missing (initdb.c, subdirs).
    static readonly string[] Standard =
    [
        "base", "global", "pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_logical/mappings", "pg_logical/snapshots", "pg_multixact",
        "pg_multixact/members", "pg_multixact/offsets", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat", "pg_stat_tmp",
        "pg_subtrans", "pg_tblspc", "pg_twophase", "pg_wal", "pg_wal/archive_status", "pg_xact",
    ];

    public void Run(CancellationToken cancellationToken)
    {
        // Directories that are always there, and those of tablespaces, which links lead to.
        var made = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in Standard)
        {
            layout.Main.CreateDirectory(path);
            made.Add(path);
        }
        MakeTablespaces(made);

        // The rest in the manifest's order, in which a directory precedes what is in it.
        foreach (var entry in manifest.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Make(entry, made);
        }
    }

    void MakeTablespaces(HashSet<string> made)
    {
        var inside = plan.Tablespaces.FirstOrDefault(static t => t.IsInside);
        if (inside is not null)
        {
            layout.Main.CreateDirectory(Path.GetDirectoryName(inside.Directory)!);
        }
        foreach (var placement in plan.Tablespaces)
        {
            if (placement.IsInside)
            {
                layout.Main.CreateDirectory(placement.Directory);
            }
            layout.Main.CreateLink(placement.Link, placement.LinkDestination);
            made.Add(placement.Link);
        }
    }

    void Make(ManifestEntry entry, HashSet<string> made)
    {
        var (tree, path) = layout.Locate(entry.Path);
        switch (entry.Kind)
        {
            case ManifestEntryKind.Directory when made.Add(entry.Path):
                tree.CreateDirectory(path);
                break;
            case ManifestEntryKind.Inline when entry.Path != ManifestCheck.ControlFile:
                tree.WriteFile(path, entry.Content.Span);
                break;
            case ManifestEntryKind.File when entry.Path != ManifestCheck.ControlFile:
                using (var file = tree.CreateFile(path))
                {
                    if (entry.Length > 0)
                    {
                        tree.SetLength(file, entry.Length, path);
                    }
                }
                break;
        }
    }
}
