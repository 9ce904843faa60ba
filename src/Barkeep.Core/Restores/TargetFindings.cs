namespace Barkeep.Restores;

/// <summary>What is in a target, held against what belongs there.</summary>
sealed class TargetFindings
{
    const int MostNamed = 20;

    readonly Dictionary<int, long> _freed = [];
    readonly HashSet<(int Root, string Path)> _places = [];
    int _links;

    /// <summary>Files that stay, at least in part, by the index of their manifest entry.</summary>
    public Dictionary<int, KeptFile> Kept { get; } = [];

    /// <summary>Files that stayed in one of two looks only, or are not what they were in the other.</summary>
    public IReadOnlySet<int> TouchedSince(TargetFindings earlier) =>
        Kept.Keys.Union(earlier.Kept.Keys).Where(i => Kept.GetValueOrDefault(i).State != earlier.Kept.GetValueOrDefault(i).State).ToHashSet();

    /// <summary>Paths of what does not belong, the first of them, for people; old WAL, of which there may be much, is only counted.</summary>
    public List<string> Removed { get; } = [];

    /// <summary>How many files, links and directories do not belong.</summary>
    public int RemovedCount { get; private set; }

    /// <summary>What the user should know of what goes.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Bytes on disk that removals give back.</summary>
    public long FreedIn(int root) => _freed.GetValueOrDefault(root);

    /// <summary>Whether a directory or link is there as it should be.</summary>
    public bool Has(int root, string path) => _places.Contains((root, path));

    public void AddPlace(int root, string path) => _places.Add((root, path));

    public void AddRemoved(int root, string path, long bytes, bool isMadeAnew, bool isNamed)
    {
        _freed[root] = FreedIn(root) + bytes;
        if (isMadeAnew)
        {
            return;
        }
        RemovedCount++;
        if (isNamed && Removed.Count < MostNamed)
        {
            Removed.Add(path);
        }
    }

    public void AddLink(string path, string destination)
    {
        if (++_links <= MostNamed)
        {
            Warnings.Add($"{path} was a symbolic link to {destination}: the link is removed, and what it led to is left as it is");
        }
    }

    /// <param name="State">As it was found.</param>
    /// <param name="AllocatedBytes">What it takes on the disk.</param>
    public readonly record struct KeptFile(FileState State, long AllocatedBytes);
}
