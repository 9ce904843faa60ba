namespace Barkeep.Restores;

/// <summary>The directories that a restore writes to, open and claimed for it.</summary>
sealed class TargetLayout : IDisposable
{
    readonly List<TargetTree> _trees = [];

    /// <summary>Opens the directories, which must exist.</summary>
    /// <exception cref="Common.BarkeepException">Busy: another restore writes to one of them.</exception>
    public TargetLayout(TargetPlaces places, Ownership ownership)
    {
        Places = places;
        try
        {
            foreach (var root in places.Roots)
            {
                _trees.Add(new(root, ownership));
                _trees[^1].Claim();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public TargetPlaces Places { get; }

    /// <summary>The data directory.</summary>
    public TargetTree Main => _trees[0];

    /// <summary>The data directory and each tablespace directory outside of it.</summary>
    public IReadOnlyList<TargetTree> Trees => _trees;

    /// <summary>The tree and the path in it; an empty path is the tree itself.</summary>
    public (TargetTree Tree, string Path) Locate(string path)
    {
        var (root, inner) = Places.Locate(path);
        return (_trees[root], inner);
    }

    public void Dispose() => _trees.ForEach(static t => t.Dispose());
}
