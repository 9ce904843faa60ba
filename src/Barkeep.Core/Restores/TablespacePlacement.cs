using System.Globalization;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Restores;

/// <summary>Where a tablespace's files go.</summary>
/// <param name="Directory">The directory: relative to the target, or absolute when it was mapped elsewhere.</param>
public sealed record TablespacePlacement(BackupTablespace Tablespace, string Directory)
{
    const string InsideDirectory = "tablespaces";

    public bool IsInside => !Path.IsPathRooted(Directory);

    internal string Link => LinkOf(Tablespace.Oid);

    /// <summary>What the link in pg_tblspc holds; relative when it is inside, so that the whole can be moved.</summary>
    internal string LinkDestination => IsInside ? $"../{Directory}" : Directory;

    /// <summary>Places each tablespace of a backup.</summary>
    /// <param name="mapping">Absolute directories by the tablespace's name.</param>
    /// <exception cref="BarkeepException">Usage: a mapping that cannot be.</exception>
    internal static IReadOnlyList<TablespacePlacement> Choose(Manifest manifest, IReadOnlyDictionary<string, string> mapping, string target)
    {
        var tablespaces = manifest.Info.Tablespaces.Where(static t => !IsInPlace(t)).ToList();
        foreach (var (name, directory) in mapping)
        {
            if (!tablespaces.Exists(t => t.Name == name))
            {
                throw new BarkeepException(ErrorKind.Usage, $"the backup has no tablespace '{name}'", tablespaces.Count == 0 ? "it has none" : $"it has {string.Join(", ", tablespaces.Select(static t => t.Name))}");
            }
            if (!Path.IsPathRooted(directory) || IsWithin(directory, target) || mapping.Count(m => IsWithin(m.Value, directory)) > 1)
            {
                throw new BarkeepException(ErrorKind.Usage, $"tablespace '{name}' cannot go to {directory}", "name an absolute path outside the target and of its own; without a mapping it goes inside the target");
            }
        }
        var inside = InsideRoot(manifest);
        return
        [
            .. tablespaces.Select(t => new TablespacePlacement(
                t,
                mapping.TryGetValue(t.Name, out var directory) ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)) : string.Create(CultureInfo.InvariantCulture, $"{inside}/{t.Oid}"))),
        ];
    }

    static bool IsWithin(string path, string directory) =>
        (Path.GetFullPath(path).TrimEnd('/') + "/").StartsWith(Path.GetFullPath(directory).TrimEnd('/') + "/", StringComparison.Ordinal);

    internal static string LinkOf(uint oid) => string.Create(CultureInfo.InvariantCulture, $"pg_tblspc/{oid}");

    /// <summary>A directory for tablespaces inside the target: the one in which an earlier restore has put them, or one that the backup has no use for itself.</summary>
    internal static string InsideRoot(Manifest manifest) =>
        manifest.Info.Tablespaces.Select(RootOf).FirstOrDefault(static root => root is not null) ?? RestoredConfiguration.UnusedName(manifest, InsideDirectory);

    static string? RootOf(BackupTablespace tablespace) =>
        tablespace.Location.Split('/') is ["..", var root, var name] && root.StartsWith(InsideDirectory, StringComparison.Ordinal) && name == tablespace.Oid.ToString(CultureInfo.InvariantCulture)
            ? root
            : null;

    // PostgreSQL's allow_in_place_tablespaces: a real directory in pg_tblspc.
    internal static bool IsInPlace(BackupTablespace tablespace) => tablespace.Location == LinkOf(tablespace.Oid);
}
