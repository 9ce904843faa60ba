namespace Barkeep.Tests.Architecture;

/// <summary>The checkout that these tests were built from.</summary>
static class SourceTree
{
    public static string Root { get; } = FindRoot();

    /// <summary>All source files below a folder of the checkout, with their paths relative to that folder.</summary>
    public static IEnumerable<(string Path, string Text)> Sources(string folder)
    {
        var root = Path.Combine(Root, folder);
        return Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path.GetRelativePath(root, path), File.ReadAllText(path)));
    }

    static string FindRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Barkeep.slnx")))
        {
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("these tests need the checkout that they were built from");
        }
        return directory;
    }
}
