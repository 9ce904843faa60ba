namespace Barkeep.Bench;

static class Disk
{
    /// <summary>The lengths of all files below a directory, in MB.</summary>
    /// <param name="except">Names of directories that do not count, nor what is in them.</param>
    public static double Megabytes(string directory, params string[] except) => Bytes(new(directory), except) / 1e6;

    public static void Remove(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    static long Bytes(DirectoryInfo directory, string[] except) =>
        directory.EnumerateFiles().Sum(static f => f.Length)
        + directory.EnumerateDirectories().Where(d => d.LinkTarget is null && !except.Contains(d.Name)).Sum(d => Bytes(d, except));
}
