namespace Barkeep.Restores;

/// <summary>Where each path of a manifest goes: below the target, or below the directory that its tablespace was mapped to.</summary>
sealed class TargetPlaces
{
    readonly List<(string Link, int Root, string Directory)> _tablespaces = [];

    public TargetPlaces(string target, IReadOnlyList<TablespacePlacement> tablespaces)
    {
        var roots = new List<string> { target };
        foreach (var placement in tablespaces)
        {
            if (placement.IsInside)
            {
                _tablespaces.Add((placement.Link, 0, placement.Directory));
                continue;
            }
            _tablespaces.Add((placement.Link, roots.Count, ""));
            roots.Add(placement.Directory);
        }
        Roots = roots;
    }

    /// <summary>The target, then each tablespace directory outside of it.</summary>
    public IReadOnlyList<string> Roots { get; }

    /// <summary>Which root, and the path in it; an empty path is the root itself.</summary>
    public (int Root, string Path) Locate(string path)
    {
        foreach (var (link, root, directory) in _tablespaces)
        {
            if (path.StartsWith(link, StringComparison.Ordinal) && (path.Length == link.Length || path[link.Length] == '/'))
            {
                var rest = path[link.Length..].TrimStart('/');
                return (root, directory.Length == 0 || rest.Length == 0 ? directory + rest : $"{directory}/{rest}");
            }
        }
        return (0, path);
    }
}
