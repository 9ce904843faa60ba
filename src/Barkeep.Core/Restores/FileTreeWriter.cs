using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Creates a backup's directories, links, and files of full length, as far as they are not there; their pages come later.</summary>
sealed class FileTreeWriter(Manifest manifest, RestorePlan plan, TargetLayout layout, TargetFindings there)
{
    readonly HashSet<string> _made = new(StringComparer.Ordinal);

    public void Run(CancellationToken cancellationToken)
    {
        // Directories that are always there, and those of tablespaces, which links lead to.
        foreach (var path in ExpectedContent.StandardDirectories)
        {
            MakeDirectory(path);
        }
        foreach (var placement in plan.Tablespaces)
        {
            MakeTablespace(placement);
        }

        // The rest in the manifest's order, in which a directory precedes what is in it.
        for (var i = 0; i < manifest.Entries.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Make(manifest.Entries[i], i);
        }
    }

    void MakeTablespace(TablespacePlacement placement)
    {
        if (placement.IsInside)
        {
            MakeDirectory(Path.GetDirectoryName(placement.Directory)!);
            MakeDirectory(placement.Directory);
        }
        if (!there.Has(0, placement.Link))
        {
            layout.Main.CreateLink(placement.Link, placement.LinkDestination);
        }
        _made.Add(placement.Link);
    }

    void MakeDirectory(string path)
    {
        var (root, inner) = layout.Places.Locate(path);
        if (_made.Add(path) && !there.Has(root, inner))
        {
            layout.Trees[root].CreateDirectory(inner);
        }
    }

    void Make(ManifestEntry entry, int index)
    {
        switch (entry.Kind)
        {
            case ManifestEntryKind.Directory:
                MakeDirectory(entry.Path);
                break;
            case ManifestEntryKind.Inline when entry.Path != ManifestCheck.ControlFile:
                var (tree, path) = layout.Locate(entry.Path);
                tree.WriteFile(path, entry.Content.Span);
                break;
            case ManifestEntryKind.File when entry.Path != ManifestCheck.ControlFile:
                MakeFile(entry, there.Kept.TryGetValue(index, out var kept) ? kept.State.Length : null);
                break;
        }
    }

    void MakeFile(ManifestEntry entry, long? length)
    {
        if (length == entry.Length)
        {
            return;
        }
        var (tree, path) = layout.Locate(entry.Path);
        using var file = length is null ? tree.CreateFile(path) : tree.OpenForWriting(path);
        if (entry.Length > 0 || length is not null)
        {
            tree.SetLength(file, entry.Length, path);
        }
    }
}
