using System.Globalization;
using System.Text;
using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Whether what is in a target may be written over: what a restore of this cluster has left there, finished or not, or any copy of its data
/// directory. Nothing else: it might be somebody's home. Only looks.
/// </summary>
static class TargetIdentity
{
    const string VersionFile = "PG_VERSION";
    const int MaxVersionLength = 64;

    /// <param name="occupied">Tablespace directories outside the target that are not empty.</param>
    /// <exception cref="BarkeepException">TargetNotEmpty.</exception>
    public static void Check(RestoreSource source, TargetTree target, IEnumerable<string> occupied)
    {
        var systemId = source.Lineage.Identity.SystemId;
        var (marker, record) = (RestoreMarker.TryRead(target), RestoreRecord.TryReadHead(target));

        // 1. Whose it is: by its own word, else by that of the restore that made it.
        var owner = SystemIdOf(target) ?? marker?.SystemId ?? record?.SystemId;
        if (owner is null)
        {
            throw Refused($"{target.Root} is not empty, and neither a copy of the cluster nor an unfinished restore of it", "empty it, or restore elsewhere");
        }
        if (owner != systemId.ToString(CultureInfo.InvariantCulture))
        {
            throw Refused($"{target.Root} holds another cluster: its system identifier is {owner}, that of the backup {systemId}", "restore elsewhere, or empty it");
        }
        var major = source.Backup.Info!.MajorVersion;
        if (target.TryRead(VersionFile, MaxVersionLength) is { } version && Encoding.ASCII.GetString(version).Trim() is { Length: > 0 } text
            && text.All(char.IsAsciiDigit) && text != major.ToString(CultureInfo.InvariantCulture))
        {
            throw Refused($"{target.Root} is a data directory of PostgreSQL {text}, and the backup is of {major}", "restore elsewhere, or empty it");
        }

        // 2. Directories outside only if it was a restore into this target that filled them, and nothing but a tablespace is in them.
        foreach (var directory in occupied)
        {
            var isOurs = IsListed(marker?.Places, target, directory) || IsListed(record?.Places, target, directory);
            if (!isOurs || RestoreTarget.NamesIn(directory).Any(static name => !name.StartsWith("PG_", StringComparison.Ordinal)))
            {
                throw Refused($"{directory} is not empty, and {(isOurs ? "holds more than a tablespace" : $"is not known as a tablespace of {target.Root}")}", "empty it, or map the tablespace elsewhere");
            }
        }
    }

    static string? SystemIdOf(TargetTree target)
    {
        try
        {
            return target.TryRead(ManifestCheck.ControlFile, ControlFile.FileSize) is { } content
                ? ControlFile.Parse(content).SystemIdentifier.ToString(CultureInfo.InvariantCulture)
                : null;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.UnsupportedServer)
        {
            return null;
        }
    }

    static bool IsListed(IReadOnlyList<RestoredPlace>? places, TargetTree target, string directory)
    {
        if (places is not [var first, ..] || first != RestoredPlace.Of(target))
        {
            return false;
        }
        using var tree = new TargetTree(directory, default);
        return places.Contains(RestoredPlace.Of(tree));
    }

    static BarkeepException Refused(string what, string hint) => new(ErrorKind.TargetNotEmpty, what, hint);
}
