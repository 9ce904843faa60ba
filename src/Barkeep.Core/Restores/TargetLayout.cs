
namespace Barkeep.Restores;

/// <summary>Where each path of a manifest goes: below the target, or below the directory that its tablespace was mapped to.</summary>
sealed class TargetLayout : IDisposable
{
    readonly List<(string Link, TargetTree Tree, string Directory)> _tablespaces = [];

    /// <summary>Opens the directories, which must exist.</summary>
    public TargetLayout(RestorePlan plan)
    {
        Main = new(plan.Target, plan.Ownership);
        foreach (var placement in plan.Tablespaces)
        {
            _tablespaces.Add(placement.IsInside
                ? (placement.Link, Main, placement.Directory)
                : (placement.Link, new TargetTree(placement.Directory, plan.Ownership), ""));
        }
    }

    /// <summary>The data directory.</summary>
    public TargetTree Main { get; }

    /// <summary>The data directory and each tablespace directory outside of it.</summary>
    public IEnumerable<TargetTree> Trees => _tablespaces.Select(static t => t.Tree).Prepend(Main).Distinct();

    /// <summary>The tree and the path in it; an empty path is the tree itself.</summary>
    public (TargetTree Tree, string Path) Locate(string path)
    {
        foreach (var (link, tree, directory) in _tablespaces)
        {
            if (path.StartsWith(link, StringComparison.Ordinal) && (path.Length == link.Length || path[link.Length] == '/'))
            {
                var rest = path[link.Length..].TrimStart('/');
                return (tree, directory.Length == 0 || rest.Length == 0 ? directory + rest : $"{directory}/{rest}");
            }
        }
        return (Main, path);
    }

    public void Dispose()
    {
        foreach (var tree in Trees.ToList())
        {
            tree.Dispose();
        }
    }
}
